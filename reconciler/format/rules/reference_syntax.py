"""The forms that a reference can have (reference, section 2).

A text that begins with ``azureml:`` in a field that names an asset has one of these forms or is an error; otherwise a
typing error would turn a reference into a URI. Any part of a reference can be an expression. Whether the asset exists
is checked in ``workspace``, where all files are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.format.kind import word_set
from reconciler.format.pointers import Pointer, join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, executable_nodes_and_tasks
from reconciler.format.suggest import closest_name
from reconciler.model import Json, Spec

_AZUREML_PREFIX = "azureml:"
# Fields whose text is a reference or a path, at any depth, ...
_REFERENCE_FIELDS = word_set(
    "path code environment component trial compute model job model_id create_job default_compute default_datastore "
    "datastore image_build_compute"
)
# ... except below these, where the keys are the user's own or the text is free.
_USER_KEYED_FIELDS = word_set(
    "inputs outputs jobs tags properties environment_variables search_space services conf distribution"
)
# Fields that refer to assets of one type, and the name of that type in a URI.
_COLLECTION_OF_FIELD = {
    "environment": "environments",
    "component": "components",
    "trial": "components",
    "model": "models",
}
_ASSET_COLLECTIONS = (
    "environments|components|models|data|codes|computes|schedules|indexes|featuresets|featurestoreentities"
)
_VERSION_PATTERN = r"(?:versions|labels)/[^/]+/?"
_PATH_PATTERN = r"/paths/.+"
# By the part of a URI between // and the next slash: the pattern of the rest, and the form in a hint.
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
    "registries": (_SHARED_ASSET_PATTERN, "azureml://registries/REGISTRY/TYPE/NAME/versions/VERSION, or /labels/LABEL"),
    "feeds": (_SHARED_ASSET_PATTERN, "azureml://feeds/FEED/TYPE/NAME/versions/VERSION"),
    "locations": (
        rf"[^/]+/workspaces/[^/]+/(?:{_ASSET_COLLECTIONS})/[^/]+/{_VERSION_PATTERN}",
        "azureml://locations/LOCATION/workspaces/WORKSPACE/TYPE/NAME/versions/VERSION",
    ),
    "subscriptions": (
        rf"[^/]+/resourcegroups/[^/]+{_PROVIDER_PATTERN}/workspaces/[^/]+/(?:{_WORKSPACE_ASSET_PATTERN})",
        "azureml://subscriptions/ID/resourcegroups/GROUP/workspaces/WORKSPACE/datastores/DATASTORE/paths/PATH",
    ),
}
_ARM_FORM = "azureml:/subscriptions/ID/resourceGroups/GROUP/providers/PROVIDER/workspaces/WORKSPACE/TYPE/NAME"
_ASSET_FORM = "azureml:NAME:VERSION or azureml:NAME@latest"
_ARM_PATTERN = re.compile(r"/subscriptions/[^/]+/resourcegroups/[^/]+(?:/.+)?", re.IGNORECASE)
# An asset by its name, with a version or a label. The name of a job without one is its path, so it may hold slashes.
_ASSET_PATTERN = re.compile(r"(?!azureml:)[^/:@][^:@]*(?::.+|@.+)?", re.IGNORECASE | re.DOTALL)
_EXPRESSION_PATTERN = re.compile(r"\$\{\{.*?\}\}")
_ARM_ID = re.compile(r"/subscriptions/", re.IGNORECASE)
_AZUREML_URI = re.compile(rf"//(?:{'|'.join(_URI_FORMS)})/", re.IGNORECASE)
_REGISTRY_URI = re.compile(r"//registries/[^/]+/(?P<collection>[^/]+)/.+", re.IGNORECASE)
_NAME_AND_VERSION = re.compile(r"[^/:@]+(?:[:@][^/]+)?")

_KeyPath = tuple[str | int, ...]


def find_malformed_references(spec: Spec) -> Iterator[tuple[str, str, str]]:
    """Yield the pointer, the text and the expected form of every reference in a spec that has no known form."""
    for pointer, text in _iter_reference_texts(spec, (), user_keys=False):
        if hint := expected_syntax_hint(text):
            yield join_pointer(*pointer), text, hint


def expected_syntax_hint(text: str) -> str:
    """Return a hint with the forms that a text beginning with ``azureml:`` can have; "" if it has one of them."""
    rest = _EXPRESSION_PATTERN.sub("x", text)[len(_AZUREML_PREFIX) :]
    if not rest.startswith("//"):
        pattern, form = (_ARM_PATTERN, _ARM_FORM) if rest.startswith("/") else (_ASSET_PATTERN, _ASSET_FORM)
        return "" if pattern.fullmatch(rest) else f"the form is {form}"
    root, _, path = rest.removeprefix("//").partition("/")
    if root.lower() not in _URI_FORMS:
        close = closest_name(root, _URI_FORMS)
        if close:
            return f"did you mean azureml://{close}/?"
        return f"a URI begins with one of {', '.join(f'azureml://{name}/' for name in _URI_FORMS)}"
    uri_pattern, form = _URI_FORMS[root.lower()]
    return "" if re.fullmatch(uri_pattern, path, re.IGNORECASE | re.DOTALL) else f"the form is {form}"


def _iter_reference_texts(value: Json, pointer: _KeyPath, *, user_keys: bool) -> Iterator[tuple[_KeyPath, str]]:
    """Yield the pointer and the text of every field that names something of Azure ML."""
    if isinstance(value, dict):
        for key, child in value.items():
            child_type = type(child)  # quicker than isinstance, and this loop visits every value of every file
            if child_type is str:
                if key in _REFERENCE_FIELDS and not user_keys and _has_azureml_prefix(child):
                    yield (*pointer, key), child
            elif child_type is dict or child_type is list:
                nested_user_keys = not user_keys and key in _USER_KEYED_FIELDS
                yield from _iter_reference_texts(child, (*pointer, key), user_keys=nested_user_keys)
    else:
        for index, child in enumerate(value):
            if type(child) is dict or type(child) is list:
                yield from _iter_reference_texts(child, (*pointer, index), user_keys=user_keys)


def _has_azureml_prefix(text: str) -> bool:
    return text[: len(_AZUREML_PREFIX)].lower() == _AZUREML_PREFIX


def check_asset_references(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield references that azure-ai-ml or the service cannot read."""
    for node in executable_nodes_and_tasks(context):
        yield from _check_node_references(context, node)


def _check_node_references(context: RuleContext, node: SpecNode) -> Iterator[Diagnostic]:
    for field, collection in _COLLECTION_OF_FIELD.items():
        text = node.spec.get(field)
        if isinstance(text, str) and _has_azureml_prefix(text) and "${{" not in text:
            yield from _check_reference_text(context, node.child_pointer(field), text, collection)


def _check_reference_text(context: RuleContext, pointer: Pointer, text: str, collection: str) -> Iterator[Diagnostic]:
    rest = text[len(_AZUREML_PREFIX) :]
    uri_form = f"azureml://registries/REGISTRY/{collection}/NAME/versions/VERSION"
    hint = f"use azureml:NAME:VERSION, azureml:NAME@latest or {uri_form}"
    registry = _REGISTRY_URI.fullmatch(rest)
    if registry and registry["collection"].lower() != collection:
        message = f"{text} is in {registry['collection']}, but this field takes {collection}"
        yield context.value_diagnostic("reference-sort", message, *pointer, hint=hint)
    elif _has_azureml_prefix(rest):
        message = f"{text} begins with {_AZUREML_PREFIX} twice"
        yield context.value_diagnostic("reference-malformed", message, *pointer, hint=f"did you mean {rest}?")
    elif not (_NAME_AND_VERSION.fullmatch(rest) or _ARM_ID.match(rest) or _AZUREML_URI.match(rest)):
        yield context.value_diagnostic("reference-malformed", f"{text} is not a reference", *pointer, hint=hint)


RULES: tuple[Rule, ...] = (check_asset_references,)
