"""Planners: one module for each life cycle of a kind (singleton, versioned, job)."""
