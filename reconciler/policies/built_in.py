"""The policies that are built in: functions of an action and parameters that yield what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from reconciler.format.pointers import Pointer, find_value, join_pointer
from reconciler.model import Json
from reconciler.policies.policy import Scope, Subject


class Finding(NamedTuple):
    """What is wrong with an action, and the JSON pointer of the field of its asset that is the cause."""

    message: str
    pointer: str = ""


class BuiltIn(NamedTuple):
    """A policy that is built in; ``scope`` is what it is about where the file does not say it.

    With ``needs_candidate`` it is decided once the run has ended that makes the candidate.
    """

    check: Callable[[Subject, Mapping[str, Json]], Iterator[Finding]]
    scope: Scope
    needs_candidate: bool = False


REGISTERING = ("register", "new-version")  # the actions that have a candidate
CANDIDATE_SCOPE = Scope(kinds=("model",), actions=REGISTERING)
_MAKING = ("create", "update", "replace", "new-version", "register", "submit")
_REMOVING = ("archive", "delete", "replace")
_OWNED_KINDS = ("component", "data", "deployment", "endpoint", "environment", "job", "model")
_REGISTRY_ENVIRONMENT = re.compile(r"^azureml://registries/[^/]+/environments/[^/]+(?P<rest>/.*)?$")


def _check_image_tags(subject: Subject, parameters: Mapping[str, Json]) -> Iterator[Finding]:
    floating, needs_digest = parameters.get("tags", ["latest"]), parameters.get("digest", False)
    for pointer, image in _texts_of_key(_spec_of(subject), "image"):
        name, _, digest = image.partition("@")
        named_tag = name.rpartition("/")[2].partition(":")[2]
        tag = named_tag or "latest"
        if digest:
            continue
        if needs_digest:
            yield Finding(f"the image {image} is not given by its digest (NAME@sha256:...)", join_pointer(*pointer))
        elif tag in floating:
            which = f"has the tag {tag}, which" if named_tag else f"has no tag: it stands for {tag}, which"
            yield Finding(f"the image {image} {which} can mean another one later", join_pointer(*pointer))


def _check_environments(subject: Subject, parameters: Mapping[str, Json]) -> Iterator[Finding]:
    for pointer, text in _texts_of_key(_spec_of(subject), "environment"):
        if not _is_pinned(text, own=parameters.get("own", True)):
            yield Finding(f"the environment {text} has no version", join_pointer(*pointer))


def _is_pinned(text: str, *, own: bool) -> bool:
    """Return True if a reference to an environment names one version, or a file."""
    if match := _REGISTRY_ENVIRONMENT.match(text):
        return (match["rest"] or "").startswith("/versions/")
    if not text.startswith("azureml:"):
        return True  # a file, which is identified by its content
    name = text.removeprefix("azureml:")
    return ":" in name or not own


def _check_tag(subject: Subject, parameters: Mapping[str, Json]) -> Iterator[Finding]:
    tag = parameters.get("tag", "owner")
    if subject.asset is not None and not find_value(_spec_of(subject), ["tags", tag]):
        yield Finding(f"the tag {tag} is missing", "/tags" if find_value(_spec_of(subject), ["tags"]) else "")


def _check_removal(subject: Subject, parameters: Mapping[str, Json]) -> Iterator[Finding]:
    tags = parameters.get("tags", {"protected": "true"})
    live = find_value(subject.live, ["spec", "tags"]) or {}
    marks = [f"{name}: {value}" for name, value in tags.items() if str(live.get(name, "")).lower() == value.lower()]
    if marks:
        yield Finding(f"it has the tag {marks[0]}, and the plan would {subject.action['action']} it")


def _check_metric(subject: Subject, parameters: Mapping[str, Json]) -> Iterator[Finding]:
    metric, step = parameters["metric"], parameters.get("step", "")
    path = ["steps", step, metric] if step else ["metrics", metric]
    value = find_value(subject.candidate, path)
    if not _is_number(value):
        yield Finding(
            f"the run of the candidate has not logged the metric {metric}{f' in the step {step}' if step else ''}"
        )
        return
    is_higher_better = parameters.get("goal", "maximize") == "maximize"
    bound, tolerance = parameters.get("bound"), parameters.get("tolerance", 0)
    if bound is not None and not _is_as_good(value, bound, 0, is_higher_better=is_higher_better):
        yield Finding(f"{metric} of the candidate is {value:g}; it must be {_side(is_higher_better)} {bound:g}")
    if subject.live is None:
        return
    live = find_value(subject.live, path)
    if not _is_number(live):
        yield Finding(f"{metric} of the candidate is {value:g}; the run of the live version has not logged {metric}")
    elif not _is_as_good(value, live, tolerance, is_higher_better=is_higher_better):
        allowed = f", and {tolerance:g} less is accepted" if tolerance and is_higher_better else ""
        allowed = f", and {tolerance:g} more is accepted" if tolerance and not is_higher_better else allowed
        yield Finding(f"{metric} of the candidate is {value:g}, that of the live version is {live:g}{allowed}")


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_as_good(value: float, other: float, tolerance: float, *, is_higher_better: bool) -> bool:
    """Return True if a value is as good as another; one that is not a number (NaN) never is."""
    return value >= other - tolerance if is_higher_better else value <= other + tolerance


def _side(is_higher_better: bool) -> str:  # noqa: FBT001 - the one fact that it is asked about
    return "at least" if is_higher_better else "at most"


def _spec_of(subject: Subject) -> Json:
    return find_value(subject.asset, ["spec"])


def _texts_of_key(value: Json, key: str, pointer: Pointer = ()) -> Iterator[tuple[Pointer, str]]:
    """Yield the texts under a key anywhere in a value, with their places."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, item in items:
        if name == key and isinstance(item, str):
            yield (*pointer, name), item
        yield from _texts_of_key(item, key, (*pointer, name))


BUILT_IN: Mapping[str, BuiltIn] = {
    "floating-image-tag": BuiltIn(_check_image_tags, Scope(actions=_MAKING)),
    "unpinned-environment": BuiltIn(_check_environments, Scope(actions=_MAKING)),
    "owner-tag": BuiltIn(_check_tag, Scope(kinds=_OWNED_KINDS, actions=_MAKING)),
    "protected-deletion": BuiltIn(_check_removal, Scope(actions=_REMOVING)),
    "metric-gate": BuiltIn(_check_metric, CANDIDATE_SCOPE, needs_candidate=True),
}

NOT_KNOWN_YET: Mapping[str, str] = {
    "model-lineage": "the lineage of a model",
    "gpu-hours": "GPU-hours",
}
"""The built-in policies to come, by what a plan does not hold yet: a file that uses one has an error."""
