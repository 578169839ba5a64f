"""The forms that a reference can have: reference, section 2. A text with a typo in it must not pass for a URI.

Anything that begins with ``azureml:`` at a place that names an asset has one of these forms, or is an error.
Expressions may stand for any part of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from reconciler.format.kind import words
from reconciler.format.pointers import join
from reconciler.format.suggest import closest
from reconciler.model import Json, Spec

_PREFIX = "azureml:"
# Fields whose text names something, wherever they stand; ...
_FIELDS = words(
    "path code environment component trial compute model job model_id create_job default_compute default_datastore "
    "datastore image_build_compute"
)
# ... except below these, where keys are the user's own, or the text is free.
_NAMED = words("inputs outputs jobs tags properties environment_variables search_space services conf distribution")
_SORTS = "environments|components|models|data|codes|computes|schedules|indexes|featuresets|featurestoreentities"
_VERSION = r"(?:versions|labels)/[^/]+/?"
_PATH = r"/paths/.+"
# By what stands between // and the next slash: the rest, and how it is written.
_SHARED = rf"[^/]+/(?:{_SORTS})/[^/]+/?(?:{_VERSION})?"
_OF_A_WORKSPACE = rf"datastores/[^/]+{_PATH}|jobs/[^/]+(?:/.*)?|(?:{_SORTS})/[^/]+/{_VERSION}"
_PROVIDER = r"(?:/providers/microsoft\.machinelearningservices)?"
_URIS: Mapping[str, tuple[str, str]] = {
    "datastores": (rf"[^/]+(?:/?|{_PATH}|/ExperimentRun/.+)", "azureml://datastores/DATASTORE/paths/PATH"),
    "jobs": (
        r".+/outputs/[^/]+(?:/|/paths(?:/.*)?)?",
        "azureml://jobs/JOB/outputs/OUTPUT[/paths/PATH]; JOB is the job's name or, without one, its path less .yml",
    ),
    "registries": (_SHARED, "azureml://registries/REGISTRY/SORT/NAME/versions/VERSION, or /labels/LABEL"),
    "feeds": (_SHARED, "azureml://feeds/FEED/SORT/NAME/versions/VERSION"),
    "locations": (
        rf"[^/]+/workspaces/[^/]+/(?:{_SORTS})/[^/]+/{_VERSION}",
        "azureml://locations/LOCATION/workspaces/WORKSPACE/SORT/NAME/versions/VERSION",
    ),
    "subscriptions": (
        rf"[^/]+/resourcegroups/[^/]+{_PROVIDER}/workspaces/[^/]+/(?:{_OF_A_WORKSPACE})",
        "azureml://subscriptions/ID/resourcegroups/GROUP/workspaces/WORKSPACE/datastores/DATASTORE/paths/PATH",
    ),
}
_ARM = "azureml:/subscriptions/ID/resourceGroups/GROUP/providers/PROVIDER/workspaces/WORKSPACE/SORT/NAME"
_ASSET = "azureml:NAME:VERSION or azureml:NAME@latest"
_IS_ARM = re.compile(r"/subscriptions/[^/]+/resourcegroups/[^/]+(?:/.+)?", re.IGNORECASE)
# An asset by its name, with a version or a label; a job without a name has its path for one.
_IS_ASSET = re.compile(r"(?!azureml:)[^/:@][^:@]*(?::.+|@.+)?", re.IGNORECASE | re.DOTALL)
_IS_URI = {first: re.compile(rest, re.IGNORECASE | re.DOTALL) for first, (rest, _) in _URIS.items()}
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}")


def malformed(spec: Spec) -> Iterator[tuple[str, str, str]]:
    """Yield pointer, text and the forms that are possible for every reference in a spec that has no known form."""
    for pointer, text in _named(spec, (), user_keys=False):
        if forms := expected(text):
            yield join(*pointer), text, forms


def expected(text: str) -> str:
    """Say, as a hint, which forms a text that begins with ``azureml:`` could have; "" where it has one."""
    rest = _EXPRESSION.sub("x", text)[len(_PREFIX) :]
    if not rest.startswith("//"):
        known = _IS_ARM if rest.startswith("/") else _IS_ASSET
        return "" if known.fullmatch(rest) else f"it is {_ARM if rest.startswith('/') else _ASSET}"
    first, _, last = rest.removeprefix("//").partition("/")
    if first.lower() not in _URIS:
        there = [f"azureml://{each}/" for each in _URIS]
        close = closest(first, _URIS)
        return f"did you mean azureml://{close}/?" if close else f"a URI begins with one of {', '.join(there)}"
    return "" if _IS_URI[first.lower()].fullmatch(last) else f"it is {_URIS[first.lower()][1]}"


_At = tuple[str | int, ...]


def _named(value: Json, pointer: _At, *, user_keys: bool) -> Iterator[tuple[_At, str]]:
    """Yield pointer and text of every field that names something of Azure ML."""
    if isinstance(value, dict):
        for key, each in value.items():
            sort = type(each)
            if sort is str:
                if key in _FIELDS and not user_keys and each[: len(_PREFIX)].lower() == _PREFIX:
                    yield (*pointer, key), each
            elif sort is dict or sort is list:
                yield from _named(each, (*pointer, key), user_keys=not user_keys and key in _NAMED)
    else:
        for index, each in enumerate(value):
            if type(each) is dict or type(each) is list:
                yield from _named(each, (*pointer, index), user_keys=user_keys)
