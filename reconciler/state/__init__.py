"""The live state: what exists, kept as small records in a Git ref of its own, with Git's history as its audit."""
