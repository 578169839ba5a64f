"""Give fields of a YAML file other values; all the rest of its text, with the comments, stays as it is.

ruamel.yaml's round-trip parser gives the positions of the values. The result is parsed again and must have exactly the
data that was asked for.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode

from reconciler.format.document import Document
from reconciler.format.pointers import split_pointer
from reconciler.format.yaml import parse_yaml
from reconciler.model import Json

_BLOCK_STYLES = ("|", ">")
_WIDEST = 10**9  # characters: a value stays on its line


def edit_document(document: Document, values: Mapping[str, Json]) -> str | None:
    """Return the text of a document with other values at JSON pointers; None if that would change something else.

    Such are a value that an anchor shares, or that stands in several lines.
    """
    text, expected = document.text, copy.deepcopy(document.data)
    try:
        for pointer, value in values.items():
            edited = _set_value(text, split_pointer(pointer), value)
            if edited is None:
                return None
            text = edited
            _set_in_data(expected, split_pointer(pointer), value)
    except YAMLError:
        return None
    after, diagnostics = parse_yaml(document.path, text.encode())
    return None if diagnostics or after.data != expected else text


def _set_value(text: str, parts: Sequence[str], value: Json) -> str | None:
    node, depth = YAML(typ="rt", pure=True).compose(text), 0
    while isinstance(node, MappingNode) and depth < len(parts):
        child = next((child for key, child in node.value if key.value == parts[depth]), None)
        if child is None:
            return _add_field(text, node, parts[depth:], value)
        node, depth = child, depth + 1
    if depth < len(parts) or not _is_on_its_line(node):
        return None
    style = node.style if isinstance(node, ScalarNode) and isinstance(value, str) else None
    return text[: node.start_mark.index] + _dump_flow(value, style) + text[node.end_mark.index :]


def _add_field(text: str, mapping: MappingNode, parts: Sequence[str], value: Json) -> str | None:
    """Return the text with one more field of a mapping, below its last field that stands in one line."""
    key, *inner = parts
    for name in reversed(inner):
        value = {name: value}
    field = f"{_dump_flow(key)}: {_dump_flow(value)}"
    if mapping.flow_style:
        start = mapping.start_mark.index + 1
        return text[:start] + (f"{field}, " if mapping.value else field) + text[start:]
    above = next((child for _, child in reversed(mapping.value) if _is_on_its_line(child)), None)
    if above is None:
        return None
    end = text.find("\n", above.end_mark.index)
    end = len(text) if end < 0 else end
    indent, line_end = " " * mapping.value[0][0].start_mark.column, "\r" if text[:end].endswith("\r") else ""
    return f"{text[:end]}\n{indent}{field}{line_end}{text[end:]}"


def _is_on_its_line(node: Any) -> bool:
    """Return True for a value that begins and ends on one line, and is not left out."""
    is_block = not isinstance(node, ScalarNode) and not node.flow_style
    is_block_text = isinstance(node, ScalarNode) and node.style in _BLOCK_STYLES
    start, end = node.start_mark, node.end_mark
    return not is_block and not is_block_text and start.line == end.line and start.index < end.index


def _dump_flow(value: Json, style: str | None = None) -> str:
    """Return a value as YAML on one line."""
    dumped: str = yaml.safe_dump(
        [value], default_flow_style=True, allow_unicode=True, width=_WIDEST, default_style=style, sort_keys=False
    )
    return dumped.rstrip("\n")[1:-1]


def _set_in_data(data: Json, parts: Sequence[str], value: Json) -> None:
    *parents, key = parts
    for parent in parents:
        data = data.setdefault(parent, {})
    data[key] = value
