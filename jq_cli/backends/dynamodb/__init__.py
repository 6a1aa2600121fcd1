"""The DynamoDB backend: one table, no server to run."""
