"""Where a run is from that a plan adopts: an experiment, or the run of another target."""

from __future__ import annotations

from reconciler.abbreviation import abbreviate_id
from reconciler.model import Run

ADOPTED_FROM = "adopted_from"  # in what is recorded of a run


def run_origin(run: Run) -> str:
    """Return where a run was made if it was not by an apply of its own target, else ""."""
    source = run.realised.get(ADOPTED_FROM)
    commit = f" at commit {abbreviate_id(run.commit)}" if run.commit else ""
    if source:
        return f"run {source['run']} of target {source['target']}{commit}"
    return f"an experiment of `mlgit run`{commit}" if run.experiment else ""
