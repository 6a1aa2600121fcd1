"""The command line: the root command, its options and what all commands share."""
