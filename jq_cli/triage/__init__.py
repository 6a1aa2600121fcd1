"""Choosing jobs, counting them by what they have in common, and changing many of them."""
