"""What can be done with an event: one module per handler type."""
