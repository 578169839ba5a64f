"""The fields of parallel nodes, which plans compare and show: those of ``Step.parallel``."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.format.kind import word_set
from reconciler.model import Spec, Step

PARALLEL_FIELDS = word_set(
    "task mini_batch_size partition_keys input_data retry_settings max_concurrency_per_instance error_threshold "
    "mini_batch_error_threshold logging_level"
)
# A result is the same with other values of these: they do not count where results are compared.
NOT_OF_THE_RESULT = word_set("retry_settings max_concurrency_per_instance logging_level")
PARALLEL_TYPE = "parallel"
PLACES = "/parallel"
"""The pointer below which ``Step.places`` has the places of these fields."""


def is_parallel_job(spec: Spec) -> bool:
    """Return True for the job of a parallel step, as a backend is asked about it; the fields of its node are no job."""
    return spec.get("type") == PARALLEL_TYPE and "command" in spec


def parallel_places(step: Step) -> Mapping[str, str]:
    """Return where the file of a pipeline says what ``Step.parallel`` has, by the pointer in that."""
    places = {
        pointer.removeprefix(PLACES): place
        for pointer, place in step.places.items()
        if pointer.startswith(f"{PLACES}/")
    }
    return {"": step.places[""], **places}
