"""The reference sites that several kinds share."""

from __future__ import annotations

from reconciler.format.inlining import InlinedField
from reconciler.format.kind import ReferenceSite, word_set
from reconciler.model import Spec

_MODEL_TYPES = word_set("custom_model mlflow_model triton_model")


def input_kind(declared: Spec) -> str:
    """Return the kind of asset that the path of an input refers to, by the type of the input."""
    return "model" if str(declared.get("type")) in _MODEL_TYPES else "data"


JOB_ENVIRONMENT = (InlinedField("/environment", needs_prefix=True), InlinedField("/environment/conda_file"))
"""The fields of a job or a component that may name the file of its environment, or of the packages in it."""


def code_sites(pointer: str = "") -> tuple[ReferenceSite, ...]:
    """Return the sites of code and additional includes in a component, or in an inline component at ``pointer``."""
    return (
        ReferenceSite(f"{pointer}/code", allows_local_path=True),
        ReferenceSite(f"{pointer}/additional_includes/*", allows_local_path=True, is_additional_include=True),
    )


def pipeline_sites() -> tuple[ReferenceSite, ...]:
    """Return the sites of references in the nodes of a pipeline and in their inline components."""
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
