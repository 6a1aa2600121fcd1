"""Queues side by side: every peer through one harness, one small adapter each, on private stores. Run it with `make bench`."""
