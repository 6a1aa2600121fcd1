"""`jq serve`: the HTTP server in front of a store. `app` puts it together, `run` listens."""
