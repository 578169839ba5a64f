"""What several kinds have in common: where pipelines mention things, and what an input of a model type means."""

from __future__ import annotations

from reconciler.format.kind import Site, words
from reconciler.model import Spec

_MODELS = words("custom_model mlflow_model triton_model")


def input_kind(around: Spec) -> str:
    """Return the kind of asset that an input's path names: the type beside it tells."""
    return "model" if around.get("type") in _MODELS else "data"


def pipeline_sites() -> tuple[Site, ...]:
    """Return where the nodes of a pipeline mention things."""
    return (
        Site("/settings/default_compute", kind="compute"),
        Site("/jobs/*/component", kind="component", local=True, file=True),
        Site("/jobs/*/trial", kind="component", local=True, file=True),
        Site("/jobs/*/environment", kind="environment", file=True),
        Site("/jobs/*/compute", kind="compute"),
        Site("/jobs/*/code", local=True),
        Site("/jobs/*/inputs/*/path", kind=input_kind, local=True),
    )
