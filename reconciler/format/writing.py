"""An asset file written from a spec: YAML as a person would write it, in the canonical layout, comments on top."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import yaml

from reconciler.format.bundle import bundle, properties
from reconciler.format.layout import canonical
from reconciler.format.schema_files import documents, identity
from reconciler.format.yaml import Document, parse
from reconciler.model import Json, Spec

_WIDTH = 120


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and lists deeper than their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002
        return super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def written(path: str, kind: str, spec: Spec, comments: Sequence[str] = ()) -> str:
    """Return the text of the file at a path that says exactly this."""
    above = "".join(f"# {each}\n" for each in comments) + ("\n" if comments else "")
    return canonical(_read_back(path, spec, above), _order(kind))


@cache
def _order(kind: str) -> tuple[str, ...]:
    return properties(bundle(identity(kind), documents()))


def _read_back(path: str, spec: Spec, above: str) -> Document:
    """Write a spec so that it reads as itself: what YAML takes for something else goes into quotes, all of it."""
    plain = json.loads(json.dumps(spec))
    document, problems = parse(path, (above + _dumped(plain)).encode())
    if problems or not _same(document.data, plain):
        document, _ = parse(path, (above + _dumped(plain, '"')).encode())
    return document


def _dumped(plain: Json, style: str | None = None) -> str:
    dumper = _Dumper if style is None else yaml.SafeDumper
    return str(yaml.dump(plain, Dumper=dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_style=style))


def _same(one: Json, other: Json) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
