"""What monitoring reads: figures of the store, taken when somebody asks, and figures of this process, counted where it meets the
store. Needs prometheus-client (extra `metrics`), which only `meters`, `families` and `page` import."""
