"""How an asset file is laid out: the order of its fields, its version in quotes, one line break at its end.

Whole pieces of text are moved, with the comments that stand above them, and nothing is written anew: indentation,
quotes and wrapped lines stay the author's. ruamel.yaml's round-trip reader tells where the pieces are; the text that
comes out is read again before anybody sees it, and has to say what it said before.
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
_END_OF_FILE = "\0"  # stands for the end of the file, and can be no field
_HEADER_MARKER = re.compile(r"---(\s|$)|%|#\s*(yaml-language-server|yamllint|vim?):")
_PLAIN_VERSION = re.compile(r"[\w.+-]+")


@dataclass(frozen=True, slots=True)
class _FieldBlock:
    """A field at the top of a file: the lines above it that belong to it, and its own.

    ``value`` is the place of its value in ``text``; ``keeps`` says that blank lines below it would belong to it.
    """

    key: str
    leading_lines: str
    text: str
    value_slice: slice
    keeps_trailing_blanks: bool


def format_document(document: Document, order: Sequence[str]) -> str:
    """Return the text of a document in its layout; a UserError where that would change what the document says.

    ``order`` are the fields of the kind, as its schema lists them; fields that are not among them come last.
    """
    newline = "\r\n" if document.text.count("\r\n") * 2 > document.text.count("\n") else "\n"
    text = document.text.replace("\r\n", "\n").replace("\r", "\n")
    text = text if text.endswith("\n") else f"{text}\n"
    try:
        laid = _format_text(text, document.data, order)
    except YAMLError as error:
        raise _unsafe_layout_error(document, "ruamel.yaml reads it in another way") from error
    after, problems = parse_yaml(document.path, laid.encode())
    if problems or _canonical_json(after.data) != _canonical_json(document.data):
        raise _unsafe_layout_error(
            document, f"{_first_difference(document.data, after.data)} would be read as something else"
        )
    return laid.replace("\n", newline)


def _unsafe_layout_error(document: Document, why: str) -> UserError:
    hint = "end the file with a line break; where that is not it, put the fields in order by hand"
    return user_error("layout-unsafe", f"the file cannot be laid out: {why}", hint, document.key_span(""))


def _format_text(text: str, data: Json, order: Sequence[str]) -> str:
    root = YAML(typ="rt", pure=True).compose(text)
    if root.flow_style:
        return f"{text.rstrip()}\n"  # one line, or what its author has made of it
    header, fields, footer = _split_fields(text, root)
    fields = [_quote_version(field_block, data) for field_block in fields]
    if not any(isinstance(event, AliasEvent) for event in yaml_events(text)):  # an anchor stands before its aliases
        *fields, last = _sort_fields(
            [*fields, _FieldBlock(_END_OF_FILE, footer, "", slice(0), keeps_trailing_blanks=False)], order
        )
        footer = last.leading_lines
    end = f"{footer.rstrip()}\n" if footer.strip() else ""
    return "".join([header, *(field_block.leading_lines + field_block.text for field_block in fields), end])


def _split_fields(text: str, root: Any) -> tuple[str, list[_FieldBlock], str]:
    """Cut a text into what stands above all fields, the fields, and what stands below them."""
    column = root.value[0][0].start_mark.column
    starts = [text.rfind("\n", 0, key.start_mark.index) + 1 for key, _ in root.value]
    header, above = _split_header(_split_lines(text[: starts[0]]))
    fields = []
    for (key, value), start, stop in zip(root.value, starts, [*starts[1:], len(text)], strict=True):
        end, keeps = _value_end(text, value, key.end_mark.index)
        end = _gap_start(text, end, stop, column)
        behind, below = _split_gap(_split_lines(text[end:stop]), last=stop == len(text))
        place = slice(value.start_mark.index - start, value.end_mark.index - start)
        fields.append(_FieldBlock(key.value, above, text[start:end] + behind, place, keeps))
        above = below
    return header, fields, above


def _split_lines(text: str) -> list[str]:
    """Split at line feeds alone, for str.splitlines knows more; blank lines get blank, for spaces can be a text."""
    return [line if line.strip() else "\n" for line in re.findall(r"[^\n]*\n", text)]


def _split_header(lines: list[str]) -> tuple[str, str]:
    """Split what stands above the first field into what belongs to the file and what belongs to the field.

    A comment belongs to the field where a blank line or a marker stands between it and the top.
    """
    ends = [number for number, line in enumerate(lines, 1) if not line.strip() or _HEADER_MARKER.match(line)]
    cut = ends[-1] if ends else len(lines)
    # A comment that is deeper than its field would be read as text after some fields.
    return "".join(lines[:cut]), "".join(line.lstrip(" ") for line in lines[cut:])


def _value_end(text: str, value: Any, floor: int) -> tuple[int, bool]:
    """Return where the text of a value ends, and whether blank lines below would be part of it.

    It does not end before ``floor``: the node of an alias is that of its anchor.
    """
    while isinstance(value, CollectionNode) and not value.flow_style and value.value:
        last = value.value[-1]
        value = last[1] if isinstance(last, tuple) else last
    start: int = value.start_mark.index
    end: int = value.end_mark.index
    if start == end:  # nothing stands there: ruamel puts it below the comments that follow
        return floor, False
    in_block = getattr(value, "style", None) in {"|", ">"}
    keeps = in_block and "+" in text[start:end].partition("\n")[0].partition("#")[0]
    if in_block and not keeps:
        end = start + len(text[start:end].rstrip("\n"))
    return max(floor, end), keeps


def _gap_start(text: str, end: int, stop: int, column: int) -> int:
    """Return where the blank lines and comments begin that stand between a value and the key that follows at ``stop``.

    A comment that is deeper than the keys is part of the value above it.
    """
    first = end if text[end - 1] == "\n" else text.index("\n", end) + 1
    for line in reversed(text[first:stop].split("\n")[:-1]):
        content = line.strip()
        if content not in {"", "..."} and not (content[0] == "#" and line.index("#") <= column):
            break
        stop -= len(line) + 1
    return stop


def _split_gap(gap: list[str], *, last: bool) -> tuple[str, str]:
    """Split a gap into what belongs to the field before it and what belongs to the next.

    A comment belongs to the field above it where a blank line, or the end of the file, parts it from what follows.
    """
    blank = next((number for number, line in enumerate(gap) if not line.lstrip().startswith("#")), None)
    cut = (len(gap) if last else 0) if blank is None else blank
    return "".join(gap[:cut]), "".join(gap[cut:])


def _quote_version(each: _FieldBlock, data: Json) -> _FieldBlock:
    """Put a version into double quotes; one that YAML reads as another number is for its author to correct."""
    typed = each.text[each.value_slice]
    if each.key != "version" or not _PLAIN_VERSION.fullmatch(typed) or _version_text(data.get("version")) != typed:
        return each
    return replace(each, text=f'{each.text[: each.value_slice.start]}"{typed}"{each.text[each.value_slice.stop :]}')


def _version_text(value: Json) -> Json:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _sort_fields(fields: Sequence[_FieldBlock], order: Iterable[str]) -> list[_FieldBlock]:
    """Put fields in order, with no blank line on top, nor below text that would take it for its own."""
    rank = {name: number for number, name in enumerate(dict.fromkeys((*_LEADING_FIELDS, *order)))}
    before = dict(zip((field_block.key for field_block in fields), (None, *fields), strict=False))
    found = sorted(fields, key=lambda each: (each.key == _END_OF_FILE, rank.get(each.key, len(rank))))
    return [
        replace(field_block, leading_lines=field_block.leading_lines.lstrip("\n"))
        if (above is None or above.keeps_trailing_blanks) and above is not before[field_block.key]
        else field_block
        for above, field_block in zip((None, *found), found, strict=False)
    ]


def _canonical_json(data: Json) -> str:
    """Write down what a document says, exactly: 1 is not 1.0, but version: 1 is version: "1"."""
    if isinstance(data, dict) and "version" in data:
        data = {**data, "version": _version_text(data["version"])}
    return json.dumps(data, sort_keys=True)


def _first_difference(before: Json, after: Json) -> str:
    if not isinstance(after, dict):
        return "the file"
    changed = (key for key in before if _canonical_json(before[key]) != _canonical_json(after.get(key)))
    return str(next(changed, "the file"))
