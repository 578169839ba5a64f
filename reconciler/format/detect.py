"""Detect the kind of a document: by its ``$schema``, else by a sufficient set of its keys.

Other files beside assets resemble them, such as workflows, charts, and the parameters of pipelines. So keys that only
resemble those of a kind, or that other formats have as well, never make a file an asset; ``resembling_kind`` is for
hints.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from urllib.parse import urljoin

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.document import Document
from reconciler.format.kind import Kind, identifying_keys
from reconciler.format.kinds import kinds
from reconciler.format.pointers import find_value, split_pointer
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.format.schemas import is_valid_for_schema
from reconciler.model import Json, Spec

_PROMPTFLOW = "promptflow"  # flows have a schema of Azure ML, but are not assets
_FLOW_FILES = frozenset({"flow.dag.yaml", "flow.flex.yaml", "flow.dag.yml", "flow.flex.yml"})
_AZUREML = "azureml"
_SCHEMA_OWNERS = (_AZUREML, "mlgit")
# The comment that editors read; it names a schema as the field ``$schema`` does.
_SCHEMA_COMMENT = re.compile(r"^#\s*yaml-language-server\s*:.*?\$schema\s*=\s*(\S+)", re.MULTILINE)
_NESTED_SCHEMA = re.compile(r"""^(?:[ \t]+|[ \t]*-[ \t]+)["']?\$schema["']?\s*:\s*["']?([^\s"',}]+)""", re.MULTILINE)
# The same two, and the fields of assets, in a file that cannot be parsed.
_RAW_SCHEMA = rb"""^(?:[\s{]*["']?\$schema["']?\s*:|#\s*yaml-language-server\s*:.*?\$schema\s*=)\s*["']?([^\s"',}]+)"""
_ASSET_KEYS = rb"^(command|environment|compute|conda_file|image|jobs|inputs|outputs|path|type|code)\s*:"
_HEAD_BYTES = 100_000  # searched in a file that cannot be parsed
_TYPO_CUTOFF = 0.75  # the least similarity of a mistyped key and its original
_MIN_SCORE = 1.0  # of similar keys; a key that n kinds have counts 1/n


def detect_kind(document: Document) -> Kind | None:
    """Return the kind of a document, or None if it is not an asset."""
    if not isinstance(document.data, dict):
        return None
    url = azureml_schema_url(document)
    return kind_of_schema_url(url.lower()) if url else _kind_by_keys(document.data)


def azureml_schema_url(document: Document) -> str:
    """Return the schema of Azure ML that a document names in ``$schema`` or in a comment; "" if it names none.

    Schemas of others say nothing about the kind, such as the address of a documentation page.
    """
    field = document.data.get("$schema") if isinstance(document.data, dict) else None
    comment = _SCHEMA_COMMENT.search(document.text) if "yaml-language-server" in document.text else None
    candidates = (field, comment[1] if comment else None)
    return next((url for url in candidates if isinstance(url, str) and is_azureml_schema(url.lower())), "")


def nested_schema_offset(document: Document) -> int:
    """Return the offset of the first schema of Azure ML that a document names below its top; -1 if there is none."""
    if _AZUREML not in document.text:
        return -1
    matches = _NESTED_SCHEMA.finditer(document.text)
    return next((match.start(1) for match in matches if is_azureml_schema(match[1].lower())), -1)


@cache
def is_azureml_schema(url: str) -> bool:
    """Return True if a URL, given in lower case, is that of a schema of Azure ML."""
    address = re.split(r"[?#]", url)[0].partition("://")
    place = address[2] or address[0]
    names_kind = any(owner in place for owner in _SCHEMA_OWNERS) and kind_of_schema_url(url) is not None
    return _AZUREML in place.partition("/")[0] or names_kind


def is_promptflow_schema(url: str) -> bool:
    """Return True if a schema of Azure ML is one of a flow, which is not an asset."""
    return _PROMPTFLOW in url.lower()


def is_flow(document: Document) -> bool:
    """Return True if a document is a flow or a run of one: pipelines use it as a component, but it is none."""
    if is_promptflow_schema(azureml_schema_url(document)) or posixpath.basename(document.path) in _FLOW_FILES:
        return True
    data = document.data if isinstance(document.data, dict) else {}
    return "command" not in data and (isinstance(data.get("nodes"), list) or isinstance(data.get("flow"), str))


@cache
def kind_of_schema_url(url: str) -> Kind | None:
    """Return the kind of a ``$schema`` URL, given in lower case."""
    if is_promptflow_schema(url):
        return None
    name = re.split(r"[?#]", url)[0].rstrip("/").rpartition("/")[2].removesuffix(".json").removesuffix(".schema")
    return next(
        (kind for kind in kinds().values() if name == kind.name or re.fullmatch(kind.schema_pattern, name)), None
    )


def names_azureml_schema(raw: bytes) -> bool:
    """Return True if a file that cannot be parsed names a schema of Azure ML, other than that of a flow."""
    matches = re.finditer(_RAW_SCHEMA, raw[:_HEAD_BYTES], re.MULTILINE)
    urls = (match[1].decode("utf-8", "replace").lower() for match in matches)
    return any(is_azureml_schema(url) and not is_promptflow_schema(url) for url in urls)


def has_asset_keys(raw: bytes) -> bool:
    """Return True if a file that cannot be parsed refers to Azure ML and has several fields of assets."""
    head = raw[:_HEAD_BYTES]
    return b"azureml:" in head and len(set(re.findall(_ASSET_KEYS, head, re.MULTILINE))) > 1


def _kind_by_keys(data: Spec) -> Kind | None:
    keys = identifying_keys(data)
    kind = max(kinds().values(), key=lambda kind: kind.match_score(keys))
    if kind.match_score(keys) and not _has_foreign_keys(data, kind):
        return kind
    scores = {kind.name: kind.common_match_score(keys) for kind in kinds().values()}
    candidates = sorted((name for name in scores if scores[name]), key=lambda name: -scores[name])
    return next((kinds()[name] for name in candidates if _satisfies_schema(data, name)), None)


def _satisfies_schema(data: Spec, name: str) -> bool:
    return data.keys() <= _fields_by_kind()[name] and is_valid_for_schema(data, name)


def is_certain(document: Document, kind: Kind) -> bool:
    """Return True if a document cannot be a file of another tool that has the keys of this kind by chance."""
    return azureml_schema_url(document) != "" or kind.match_score(identifying_keys(document.data)) > 0


def _has_foreign_keys(data: Spec, kind: Kind) -> bool:
    """Return True if a file has keys of a kind by chance: many others are unknown."""
    unknown = data.keys() - _fields_by_kind()[kind.name]
    return len(unknown) > 1 and 2 * len(unknown) >= len(data)


def resembling_kind(data: Json) -> Kind | None:
    """Return the kind that has all keys of a document, except for one typo, if they identify it well enough."""
    if not isinstance(data, dict):
        return None
    scored = [
        (score, name)
        for name, fields in _fields_by_kind().items()
        if (score := _similarity_score(frozenset(data), fields)) >= _MIN_SCORE
    ]
    return kinds()[max(scored)[1]] if scored else None


def _similarity_score(keys: frozenset[str], fields: frozenset[str]) -> float:
    unknown = keys - fields
    originals = [match for key in unknown for match in difflib.get_close_matches(key, fields, 1, _TYPO_CUTOFF)]
    if len(unknown) > 1 or len(originals) < len(unknown) or unknown & _kind_counts_by_field().keys():
        return 0
    return sum(1 / _kind_counts_by_field()[key] for key in (*(keys & fields), *originals))


@cache
def _fields_by_kind() -> Mapping[str, frozenset[str]]:
    """Return the top-level fields of every kind, in all branches of its schema."""
    return {name: frozenset(_schema_properties(load_schemas()[schema_id(name)], schema_id(name))) for name in kinds()}


@cache
def _kind_counts_by_field() -> Mapping[str, int]:
    """Return the number of kinds that have each field."""
    return {
        key: sum(key in fields for fields in _fields_by_kind().values())
        for fields in _fields_by_kind().values()
        for key in fields
    }


def _schema_properties(schema: Json, file: str) -> Iterator[str]:
    """Yield the top-level fields of a schema, in all its branches."""
    if not isinstance(schema, Mapping):
        return
    yield from schema.get("properties", {})
    if isinstance(reference := schema.get("$ref"), str):
        url, _, pointer = reference.partition("#")
        target = urljoin(file, url) if url else file
        yield from _schema_properties(find_value(load_schemas()[target], split_pointer(pointer)), target)
    for branch in (*schema.get("allOf", ()), *schema.get("anyOf", ()), schema.get("then"), schema.get("else")):
        yield from _schema_properties(branch, file)


def unknown_kind_diagnostic(document: Document) -> Diagnostic:
    """Return the diagnostic for a file of unknown kind: a note if a newer mlgit may know its ``$schema``."""
    if url := azureml_schema_url(document):
        message = f"unknown kind of asset: {url}"
        hint = "correct the name after the last slash, or use a newer mlgit, which may know the kind"
        return Diagnostic("kind-unknown", message, document.value_span("/$schema"), hint, Severity.NOTE)
    if (offset := nested_schema_offset(document)) >= 0:
        message = "a $schema of Azure ML stands inside this file, which is not an asset: its parts are not checked"
        hint = "write each asset to a file of its own"
        return Diagnostic("kind-unknown", message, document.span_at(offset), hint, Severity.NOTE)
    message = "mlgit.yml includes this file, but its kind of asset cannot be detected"
    hint = "add $schema: to the file, or kind: to its glob in mlgit.yml"
    return Diagnostic("kind-unknown", message, document.key_span(""), hint, Severity.WARNING)


def ignored_file_diagnostic(document: Document, kind: Kind, diagnostics: Sequence[Diagnostic]) -> Diagnostic:
    """Return the note on a file that has the keys of a kind and errors: it may be a file of another tool."""
    error = next(diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR)
    message = f"this file has the keys of a kind of asset, {kind.name}, but is ignored: {error.message}"
    hint = "add $schema: at its top if it is an asset"
    return Diagnostic("kind-unknown", message, error.span or document.key_span(""), hint, Severity.NOTE)
