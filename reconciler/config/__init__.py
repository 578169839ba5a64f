"""The settings of a workspace, mlgit.yml: its schema, targets, renames, severity overrides, host bindings."""
