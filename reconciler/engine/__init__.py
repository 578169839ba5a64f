"""The engine: execute a plan against the providers and record the results in the state."""
