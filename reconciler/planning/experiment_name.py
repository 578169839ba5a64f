"""The experiment of a job: the name under which Azure ML groups its runs."""

from __future__ import annotations

from reconciler.model import Asset

# Where the folder of a file has no name: at the top of a repository, whose own name differs between clones.
DEFAULT_EXPERIMENT = "Default"


def experiment_name(asset: Asset) -> str:
    """Return the experiment that a job names, or else the name of the folder that its file is in."""
    folder = asset.source.rpartition("/")[0].rpartition("/")[2]
    return str(asset.spec.get("experiment_name") or folder or DEFAULT_EXPERIMENT)
