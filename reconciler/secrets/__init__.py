"""Secrets: which fields hold them, how they are redacted in records, and how they are hidden in output."""
