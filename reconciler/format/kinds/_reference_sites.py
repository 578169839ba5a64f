"""The reference sites that several kinds share."""

from __future__ import annotations

from reconciler.format.kind import ReferenceSite, word_set
from reconciler.model import Spec

_MODEL_TYPES = word_set("custom_model mlflow_model triton_model")


def input_kind(declared: Spec) -> str:
    """Return the kind of asset that the path of an input refers to, by the type of the input."""
    return "model" if str(declared.get("type")) in _MODEL_TYPES else "data"


CODE_SITES = (
    ReferenceSite("/code", allows_local_path=True),
    ReferenceSite("/additional_includes/*", allows_local_path=True, is_additional_include=True),
)
"""The sites of code and additional includes in a component."""

INPUT_SITES = (
    ReferenceSite("/inputs/*/path", kind=input_kind, allows_local_path=True),
    ReferenceSite("/inputs/*/value", is_literal=True),
    ReferenceSite("/inputs/*", is_literal=True),
)
"""The sites of inputs that a job, or a node of a pipeline, gives."""

OUTPUT_SITE = ReferenceSite("/outputs/*/path", is_destination=True)

ENVIRONMENT_SITES = (
    ReferenceSite("/environment", kind="environment", allows_file_prefix=True),
    ReferenceSite("/environment/build/path", allows_local_path=True),
)
"""The sites of the environment that a job or a component names, or writes itself."""
TASK_SITES = (
    ReferenceSite("/task/code", allows_local_path=True),
    ReferenceSite("/task/environment", kind="environment", allows_file_prefix=True),
    ReferenceSite("/task/environment/build/path", allows_local_path=True),
)
"""The sites of the task of a parallel component or node."""
# Azure ML looks a compute up by its name, with the prefix of references or without it.
COMPUTE_SITE = ReferenceSite("/compute", kind="compute", allows_plain_name=True)

PIPELINE_SITES = (
    ReferenceSite("/settings/default_compute", kind="compute"),
    ReferenceSite("/component", kind="component", allows_local_path=True, allows_file_prefix=True),
    ReferenceSite("/trial", kind="component", allows_local_path=True, allows_file_prefix=True),
)
"""The sites of a pipeline or a sweep, besides those of its nodes."""

NODE_SITES = (*CODE_SITES, *ENVIRONMENT_SITES, *TASK_SITES, COMPUTE_SITE, *INPUT_SITES, OUTPUT_SITE, *PIPELINE_SITES)
"""The sites of a node of a pipeline, or of a component in it."""
