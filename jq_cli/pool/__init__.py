"""The worker pool: processes, not stores. `pool` is what the worker uses; it speaks through `crew` to a `keeper` process, which
forks each `child`. `link` and `slots` are how they talk, `orders` what a worker tells its keeper."""
