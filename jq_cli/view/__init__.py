"""How stored data meets a terminal or a pipe."""
