"""What runs a job: `spec` names a handler, and one module for each kind runs it inside a child of the pool."""
