"""The reference pages of the documentation, made from the code itself; `make docs` writes them, a test compares."""
