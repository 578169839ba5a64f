"""Write an asset file from a spec: formatted YAML with comments on top."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import yaml

from reconciler.format.document import Document
from reconciler.format.formatter import format_document
from reconciler.format.schema_bundle import bundle_schema, schema_property_names
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.format.yaml import parse_yaml
from reconciler.model import Json, Spec

_LINE_WIDTH = 120


class _BlockTextDumper(yaml.SafeDumper):
    """A dumper that writes multi-line strings as blocks and indents lists below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002
        return super().increase_indent(flow, indentless=False)


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_BlockTextDumper.add_representer(str, _represent_text)


def emit_asset_yaml(path: str, kind: str, spec: Spec, comments: Sequence[str] = ()) -> str:
    """Return the text of an asset file with this spec, below the comments."""
    header = "".join(f"# {comment}\n" for comment in comments) + ("\n" if comments else "")
    return format_document(_round_trip_document(path, spec, header), _field_order(kind))


@cache
def _field_order(kind: str) -> tuple[str, ...]:
    return schema_property_names(bundle_schema(schema_id(kind), load_schemas()))


def _round_trip_document(path: str, spec: Spec, header: str) -> Document:
    """Return a document whose data is the spec; every scalar is quoted if YAML 1.1 would read one differently."""
    data = json.loads(json.dumps(spec))
    document, diagnostics = parse_yaml(path, (header + _dump_yaml(data)).encode())
    if diagnostics or not _is_same_json(document.data, data):
        document, _ = parse_yaml(path, (header + _dump_yaml(data, '"')).encode())
    return document


def _dump_yaml(data: Json, style: str | None = None) -> str:
    dumper = _BlockTextDumper if style is None else yaml.SafeDumper
    return str(
        yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=_LINE_WIDTH, default_style=style)
    )


def _is_same_json(one: Json, other: Json) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
