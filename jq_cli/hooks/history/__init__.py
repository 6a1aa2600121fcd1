"""The history of jobs in Postgres: `table` is where it is kept, `writer` the hook that writes it, `reader` what reads it back."""
