"""Secrets: which fields hold them (``fields``), and how they are kept out of records and output (``redact``)."""
