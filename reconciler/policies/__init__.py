"""Policies: what must be true of a plan before it is applied, from the files in policies/ of a workspace."""
