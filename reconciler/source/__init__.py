"""Read a workspace from a Git tree or from disk: its configuration, its asset files, and the cache of both."""
