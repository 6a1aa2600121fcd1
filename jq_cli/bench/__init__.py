"""What `jq bench` measures. `store` and `pool` do the measuring, `sample` holds what came of it, `suite` says what is measured
with which sizes, `space` gives it a namespace of its own. benchmarks/growth.py uses the same parts."""
