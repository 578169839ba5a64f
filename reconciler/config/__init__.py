"""mlgit.yml: parsing, targets, renames, the required version, and host affinity of the store and the backends."""
