"""A folder or a revision to what it declares: the workspace root, its configuration, and what is an asset."""
