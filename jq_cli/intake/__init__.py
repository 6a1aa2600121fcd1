"""From lines and options to jobs to enqueue."""
