"""Format an asset file: top-level fields in order, the version in quotes, one line break at the end.

Blocks of text are moved together with the comments above them, and not rewritten: indentation, quotes and wrapped lines
stay as they are. ruamel.yaml's round-trip parser gives the positions of the blocks. The result is parsed again and must
have the same data as the original.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode
from yaml.events import AliasEvent

from reconciler.diagnostics import UserError, user_error
from reconciler.format.document import Document
from reconciler.format.source_map import yaml_events
from reconciler.format.yaml import parse_yaml
from reconciler.model import Json

_LEADING_FIELDS = ("$schema", "name", "version", "type", "display_name", "description", "tags")
_END_OF_FILE = "\0"  # the key of the block at the end of the file; not a possible field name
_HEADER_MARKER = re.compile(r"---(\s|$)|%|#\s*(yaml-language-server|yamllint|vim?):")
_PLAIN_VERSION = re.compile(r"[\w.+-]+")


@dataclass(frozen=True, slots=True)
class _FieldBlock:
    """A top-level field: the comments above it, and its text.

    ``value_slice`` is the position of the value in ``text``. With ``keeps_trailing_blanks`` blank lines below the text
    would become part of the value.
    """

    key: str
    leading_lines: str
    text: str
    value_slice: slice
    keeps_trailing_blanks: bool


def format_document(document: Document, order: Sequence[str]) -> str:
    """Return the formatted text of a document; raise UserError if formatting would change its data.

    ``order`` lists the fields of the kind in the order of its schema; other fields come last.
    """
    newline = "\r\n" if document.text.count("\r\n") * 2 > document.text.count("\n") else "\n"
    text = document.text.replace("\r\n", "\n").replace("\r", "\n")
    text = text if text.endswith("\n") else f"{text}\n"
    try:
        formatted = _format_text(text, document.data, order)
    except YAMLError as error:
        raise _unsafe_layout_error(document, "ruamel.yaml parses it differently") from error
    after, diagnostics = parse_yaml(document.path, formatted.encode())
    if diagnostics or _canonical_json(after.data) != _canonical_json(document.data):
        changed = _first_difference(document.data, after.data)
        raise _unsafe_layout_error(document, f"the value of {changed} would change")
    return formatted.replace("\n", newline)


def _unsafe_layout_error(document: Document, reason: str) -> UserError:
    hint = "end the file with a line break, or put the fields in order by hand"
    return user_error("layout-unsafe", f"the file cannot be formatted: {reason}", hint, document.key_span(""))


def _format_text(text: str, data: Json, order: Sequence[str]) -> str:
    root = YAML(typ="rt", pure=True).compose(text)
    if root.flow_style:
        return f"{text.rstrip()}\n"  # a mapping in braces is left as it is
    header, fields, footer = _split_fields(text, root)
    fields = [_quote_version(block, data) for block in fields]
    if not any(isinstance(event, AliasEvent) for event in yaml_events(text)):  # an anchor must precede its aliases
        *fields, last = _sort_fields(
            [*fields, _FieldBlock(_END_OF_FILE, footer, "", slice(0), keeps_trailing_blanks=False)], order
        )
        footer = last.leading_lines
    end = f"{footer.rstrip()}\n" if footer.strip() else ""
    return "".join([header, *(block.leading_lines + block.text for block in fields), end])


def _split_fields(text: str, root: Any) -> tuple[str, list[_FieldBlock], str]:
    """Split a text into the header above all fields, the fields, and the footer below them."""
    column = root.value[0][0].start_mark.column
    starts = [text.rfind("\n", 0, key.start_mark.index) + 1 for key, _ in root.value]
    header, leading_lines = _split_header(_split_lines(text[: starts[0]]))
    fields = []
    for (key, value), start, stop in zip(root.value, starts, [*starts[1:], len(text)], strict=True):
        end, keeps = _value_end(text, value, key.end_mark.index)
        end = _gap_start(text, end, stop, column)
        trailing_lines, next_leading_lines = _split_gap(_split_lines(text[end:stop]), last=stop == len(text))
        value_slice = slice(value.start_mark.index - start, value.end_mark.index - start)
        fields.append(_FieldBlock(key.value, leading_lines, text[start:end] + trailing_lines, value_slice, keeps))
        leading_lines = next_leading_lines
    return header, fields, leading_lines


def _split_lines(text: str) -> list[str]:
    """Return the lines, split at line feeds only, unlike str.splitlines; lines of white space become empty."""
    return [line if line.strip() else "\n" for line in re.findall(r"[^\n]*\n", text)]


def _split_header(lines: list[str]) -> tuple[str, str]:
    """Split the lines above the first field into those of the file and those of the field.

    A comment belongs to the field if a blank line or a marker precedes it.
    """
    ends = [number for number, line in enumerate(lines, 1) if not line.strip() or _HEADER_MARKER.match(line)]
    cut = ends[-1] if ends else len(lines)
    # An indented comment would be read as text if it followed some fields.
    return "".join(lines[:cut]), "".join(line.lstrip(" ") for line in lines[cut:])


def _value_end(text: str, value: Any, minimum: int) -> tuple[int, bool]:
    """Return where the text of a value ends, and whether blank lines below would become part of it.

    The end is at least ``minimum``: the node of an alias is that of its anchor.
    """
    while isinstance(value, CollectionNode) and not value.flow_style and value.value:
        last = value.value[-1]
        value = last[1] if isinstance(last, tuple) else last
    start: int = value.start_mark.index
    end: int = value.end_mark.index
    if start == end:  # an empty value: ruamel places it below the comments that follow
        return minimum, False
    in_block = getattr(value, "style", None) in {"|", ">"}
    keeps = in_block and "+" in text[start:end].partition("\n")[0].partition("#")[0]
    if in_block and not keeps:
        end = start + len(text[start:end].rstrip("\n"))
    return max(minimum, end), keeps


def _gap_start(text: str, end: int, stop: int, column: int) -> int:
    """Return where the blank lines and comments between a value and the next key, at ``stop``, begin.

    A comment that is indented more than the keys belongs to the value above it.
    """
    first = end if text[end - 1] == "\n" else text.index("\n", end) + 1
    for line in reversed(text[first:stop].split("\n")[:-1]):
        content = line.strip()
        if content not in {"", "..."} and not (content[0] == "#" and line.index("#") <= column):
            break
        stop -= len(line) + 1
    return stop


def _split_gap(gap: list[str], *, last: bool) -> tuple[str, str]:
    """Split the lines between two fields into those of the field above and those of the field below.

    A comment belongs to the field above if a blank line or the end of the file follows it.
    """
    blank = next((number for number, line in enumerate(gap) if not line.lstrip().startswith("#")), None)
    cut = (len(gap) if last else 0) if blank is None else blank
    return "".join(gap[:cut]), "".join(gap[cut:])


def _quote_version(block: _FieldBlock, data: Json) -> _FieldBlock:
    """Return a block with the version in double quotes; one that YAML reads as a different number stays as it is."""
    source = block.text[block.value_slice]
    if block.key != "version" or not _PLAIN_VERSION.fullmatch(source) or _version_text(data.get("version")) != source:
        return block
    before, after = block.text[: block.value_slice.start], block.text[block.value_slice.stop :]
    return replace(block, text=f'{before}"{source}"{after}')


def _version_text(value: Json) -> Json:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _sort_fields(fields: Sequence[_FieldBlock], order: Iterable[str]) -> list[_FieldBlock]:
    """Return fields in order, without blank lines at the top or below a value that would absorb them."""
    rank = {name: number for number, name in enumerate(dict.fromkeys((*_LEADING_FIELDS, *order)))}
    previous = dict(zip((block.key for block in fields), (None, *fields), strict=False))
    blocks = sorted(fields, key=lambda block: (block.key == _END_OF_FILE, rank.get(block.key, len(rank))))
    return [
        replace(block, leading_lines=block.leading_lines.lstrip("\n"))
        if (above is None or above.keeps_trailing_blanks) and above is not previous[block.key]
        else block
        for above, block in zip((None, *blocks), blocks, strict=False)
    ]


def _canonical_json(data: Json) -> str:
    """Return data as JSON to compare exactly: 1 differs from 1.0, but version: 1 equals version: "1"."""
    if isinstance(data, dict) and "version" in data:
        data = {**data, "version": _version_text(data["version"])}
    return json.dumps(data, sort_keys=True)


def _first_difference(before: Json, after: Json) -> str:
    if not isinstance(after, dict):
        return "the file"
    changed = (key for key in before if _canonical_json(before[key]) != _canonical_json(after.get(key)))
    return str(next(changed, "the file"))
