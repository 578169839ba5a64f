"""What several kinds have in common: where pipelines mention things, and what an input of a model type means."""

from __future__ import annotations

from reconciler.format.kind import ReferenceSite, word_set
from reconciler.model import Spec

_MODEL_TYPES = word_set("custom_model mlflow_model triton_model")


def input_kind(around: Spec) -> str:
    """Return the kind of asset that an input's path names: the type beside it tells."""
    return "model" if around.get("type") in _MODEL_TYPES else "data"


def code_sites(part: str = "") -> tuple[ReferenceSite, ...]:
    """Return where a component, itself or written in ``part``, names its code and what is laid out beside that."""
    return ReferenceSite(f"{part}/code", allows_local_path=True), ReferenceSite(
        f"{part}/additional_includes/*", allows_local_path=True, is_additional_include=True
    )


def pipeline_sites() -> tuple[ReferenceSite, ...]:
    """Return where the nodes of a pipeline, and the components that are written in them, mention things."""
    return (
        ReferenceSite("/settings/default_compute", kind="compute"),
        ReferenceSite("/jobs/*/component", kind="component", allows_local_path=True, allows_file_prefix=True),
        ReferenceSite("/jobs/*/trial", kind="component", allows_local_path=True, allows_file_prefix=True),
        ReferenceSite("/jobs/*/environment", kind="environment", allows_file_prefix=True),
        ReferenceSite("/jobs/*/compute", kind="compute"),
        ReferenceSite("/jobs/*/code", allows_local_path=True),
        ReferenceSite("/jobs/*/inputs/*/path", kind=input_kind, allows_local_path=True),
        *code_sites("/jobs/*/component"),
        *code_sites("/jobs/*/trial"),
    )
