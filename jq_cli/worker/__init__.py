"""The worker's loop and its parts: `worker` is what runs; `timers`, `served` and `outcomes` are what it is made of, `part` is how
something else attaches to it."""
