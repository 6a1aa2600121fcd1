"""The stores a queue can live in: `base` is the seam, `registry` finds one by name or URL."""
