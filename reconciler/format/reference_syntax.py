"""The forms that a reference can have: reference, section 2. A text with a typo in it must not pass for a URI.

Anything that begins with ``azureml:`` at a place that names an asset has one of these forms, or is an error.
Expressions may stand for any part of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from reconciler.format.kind import word_set
from reconciler.format.pointers import join_pointer
from reconciler.format.suggest import closest_name
from reconciler.model import Json, Spec

_AZUREML_PREFIX = "azureml:"
# Fields whose text names something, wherever they stand; ...
_REFERENCE_FIELDS = word_set(
    "path code environment component trial compute model job model_id create_job default_compute default_datastore "
    "datastore image_build_compute"
)
# ... except below these, where keys are the user's own, or the text is free.
_USER_KEYED_FIELDS = word_set(
    "inputs outputs jobs tags properties environment_variables search_space services conf distribution"
)
_ASSET_COLLECTIONS = (
    "environments|components|models|data|codes|computes|schedules|indexes|featuresets|featurestoreentities"
)
_VERSION_PATTERN = r"(?:versions|labels)/[^/]+/?"
_PATH_PATTERN = r"/paths/.+"
# By what stands between // and the next slash: the rest, and how it is written.
_SHARED_ASSET_PATTERN = rf"[^/]+/(?:{_ASSET_COLLECTIONS})/[^/]+/?(?:{_VERSION_PATTERN})?"
_WORKSPACE_ASSET_PATTERN = (
    rf"datastores/[^/]+{_PATH_PATTERN}|jobs/[^/]+(?:/.*)?|(?:{_ASSET_COLLECTIONS})/[^/]+/{_VERSION_PATTERN}"
)
_PROVIDER_PATTERN = r"(?:/providers/microsoft\.machinelearningservices)?"
_URI_FORMS: Mapping[str, tuple[str, str]] = {
    "datastores": (rf"[^/]+(?:/?|{_PATH_PATTERN}|/ExperimentRun/.+)", "azureml://datastores/DATASTORE/paths/PATH"),
    "jobs": (
        r".+/outputs/[^/]+(?:/|/paths(?:/.*)?)?",
        "azureml://jobs/JOB/outputs/OUTPUT[/paths/PATH]; JOB is the job's name or, without one, its path less .yml",
    ),
    "registries": (_SHARED_ASSET_PATTERN, "azureml://registries/REGISTRY/SORT/NAME/versions/VERSION, or /labels/LABEL"),
    "feeds": (_SHARED_ASSET_PATTERN, "azureml://feeds/FEED/SORT/NAME/versions/VERSION"),
    "locations": (
        rf"[^/]+/workspaces/[^/]+/(?:{_ASSET_COLLECTIONS})/[^/]+/{_VERSION_PATTERN}",
        "azureml://locations/LOCATION/workspaces/WORKSPACE/SORT/NAME/versions/VERSION",
    ),
    "subscriptions": (
        rf"[^/]+/resourcegroups/[^/]+{_PROVIDER_PATTERN}/workspaces/[^/]+/(?:{_WORKSPACE_ASSET_PATTERN})",
        "azureml://subscriptions/ID/resourcegroups/GROUP/workspaces/WORKSPACE/datastores/DATASTORE/paths/PATH",
    ),
}
_ARM_FORM = "azureml:/subscriptions/ID/resourceGroups/GROUP/providers/PROVIDER/workspaces/WORKSPACE/SORT/NAME"
_ASSET_FORM = "azureml:NAME:VERSION or azureml:NAME@latest"
_ARM_PATTERN = re.compile(r"/subscriptions/[^/]+/resourcegroups/[^/]+(?:/.+)?", re.IGNORECASE)
# An asset by its name, with a version or a label; a job without a name has its path for one.
_ASSET_PATTERN = re.compile(r"(?!azureml:)[^/:@][^:@]*(?::.+|@.+)?", re.IGNORECASE | re.DOTALL)
_URI_PATTERNS = {first: re.compile(rest, re.IGNORECASE | re.DOTALL) for first, (rest, _) in _URI_FORMS.items()}
_EXPRESSION_PATTERN = re.compile(r"\$\{\{.*?\}\}")


def find_malformed_references(spec: Spec) -> Iterator[tuple[str, str, str]]:
    """Yield pointer, text and the forms that are possible for every reference in a spec that has no known form."""
    for pointer, text in _iter_reference_texts(spec, (), user_keys=False):
        if forms := expected_syntax_hint(text):
            yield join_pointer(*pointer), text, forms


def expected_syntax_hint(text: str) -> str:
    """Say, as a hint, which forms a text that begins with ``azureml:`` could have; "" where it has one."""
    rest = _EXPRESSION_PATTERN.sub("x", text)[len(_AZUREML_PREFIX) :]
    if not rest.startswith("//"):
        known = _ARM_PATTERN if rest.startswith("/") else _ASSET_PATTERN
        return "" if known.fullmatch(rest) else f"it is {_ARM_FORM if rest.startswith('/') else _ASSET_FORM}"
    first, _, last = rest.removeprefix("//").partition("/")
    if first.lower() not in _URI_FORMS:
        there = [f"azureml://{each}/" for each in _URI_FORMS]
        close = closest_name(first, _URI_FORMS)
        return f"did you mean azureml://{close}/?" if close else f"a URI begins with one of {', '.join(there)}"
    return "" if _URI_PATTERNS[first.lower()].fullmatch(last) else f"it is {_URI_FORMS[first.lower()][1]}"


_KeyPath = tuple[str | int, ...]


def _iter_reference_texts(value: Json, pointer: _KeyPath, *, user_keys: bool) -> Iterator[tuple[_KeyPath, str]]:
    """Yield pointer and text of every field that names something of Azure ML."""
    if isinstance(value, dict):
        for key, each in value.items():
            sort = type(each)
            if sort is str:
                if (
                    key in _REFERENCE_FIELDS
                    and not user_keys
                    and each[: len(_AZUREML_PREFIX)].lower() == _AZUREML_PREFIX
                ):
                    yield (*pointer, key), each
            elif sort is dict or sort is list:
                yield from _iter_reference_texts(
                    each, (*pointer, key), user_keys=not user_keys and key in _USER_KEYED_FIELDS
                )
    else:
        for index, each in enumerate(value):
            if type(each) is dict or type(each) is list:
                yield from _iter_reference_texts(each, (*pointer, index), user_keys=user_keys)
