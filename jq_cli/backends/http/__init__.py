"""The HTTP backend: a store behind `jq serve`."""
