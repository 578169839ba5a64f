"""Render plans, diagnostics, history and drift as text, JSON and Markdown. Pure functions: callers do the output."""
