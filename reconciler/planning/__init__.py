"""Assets and a live state to a plan: graph, fingerprints, decisions. Pure: the same values give the same plan."""
