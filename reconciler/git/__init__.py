"""The only code that talks to Git, through GitPython: trees, blobs, commits, refs."""
