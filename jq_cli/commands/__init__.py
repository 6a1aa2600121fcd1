"""The commands, one module each: parse, call the client or the worker, print. No command calls another."""
