"""The live state: small records of what exists in a Git ref of its own, whose history is the audit log."""
