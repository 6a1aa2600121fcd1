"""The Python API, and the layer for programs written against the earlier interface."""
