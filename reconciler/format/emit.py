"""An asset file written from a spec: YAML as a person would write it, in the canonical layout, comments on top."""

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
    """Writes texts of several lines as blocks, and lists deeper than their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002
        return super().increase_indent(flow, indentless=False)


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_BlockTextDumper.add_representer(str, _represent_text)


def emit_asset_yaml(path: str, kind: str, spec: Spec, comments: Sequence[str] = ()) -> str:
    """Return the text of the file at a path that says exactly this."""
    above = "".join(f"# {comment}\n" for comment in comments) + ("\n" if comments else "")
    return format_document(_round_trip_document(path, spec, above), _field_order(kind))


@cache
def _field_order(kind: str) -> tuple[str, ...]:
    return schema_property_names(bundle_schema(schema_id(kind), load_schemas()))


def _round_trip_document(path: str, spec: Spec, above: str) -> Document:
    """Write a spec so that it reads as itself: what YAML takes for something else goes into quotes, all of it."""
    plain = json.loads(json.dumps(spec))
    document, problems = parse_yaml(path, (above + _dump_yaml(plain)).encode())
    if problems or not _is_same_json(document.data, plain):
        document, _ = parse_yaml(path, (above + _dump_yaml(plain, '"')).encode())
    return document


def _dump_yaml(plain: Json, style: str | None = None) -> str:
    dumper = _BlockTextDumper if style is None else yaml.SafeDumper
    return str(
        yaml.dump(plain, Dumper=dumper, sort_keys=False, allow_unicode=True, width=_LINE_WIDTH, default_style=style)
    )


def _is_same_json(one: Json, other: Json) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
