"""The Admin API: JSON over HTTP for people and programs, described by OpenAPI. `app` puts it together."""
