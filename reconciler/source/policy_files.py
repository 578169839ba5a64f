"""Where the policies of a workspace are: the YAML files below its folder policies/, which are no assets."""

from __future__ import annotations

POLICY_FOLDER = "policies"
_SUFFIXES = (".yml", ".yaml")


def is_policy_file(path: str) -> bool:
    """Return True for a path from the workspace root that is a policy file."""
    return path.startswith(f"{POLICY_FOLDER}/") and path.lower().endswith(_SUFFIXES)
