"""What several kinds have in common: where pipelines mention things, and what an input of a model type means."""

from __future__ import annotations

from reconciler.format.kind import Site, words
from reconciler.model import Spec

_MODELS = words("custom_model mlflow_model triton_model")


def input_kind(around: Spec) -> str:
    """Return the kind of asset that an input's path names: the type beside it tells."""
    return "model" if around.get("type") in _MODELS else "data"


def code_sites(part: str = "") -> tuple[Site, ...]:
    """Return where a component, itself or written in ``part``, names its code and what is laid out beside that."""
    return Site(f"{part}/code", local=True), Site(f"{part}/additional_includes/*", local=True, added=True)


def pipeline_sites() -> tuple[Site, ...]:
    """Return where the nodes of a pipeline, and the components that are written in them, mention things."""
    return (
        Site("/settings/default_compute", kind="compute"),
        Site("/jobs/*/component", kind="component", local=True, file=True),
        Site("/jobs/*/trial", kind="component", local=True, file=True),
        Site("/jobs/*/environment", kind="environment", file=True),
        Site("/jobs/*/compute", kind="compute"),
        Site("/jobs/*/code", local=True),
        Site("/jobs/*/inputs/*/path", kind=input_kind, local=True),
        *code_sites("/jobs/*/component"),
        *code_sites("/jobs/*/trial"),
    )
