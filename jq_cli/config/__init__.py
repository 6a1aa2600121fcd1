"""Where settings come from: the file's schema, the environment and the flags."""
