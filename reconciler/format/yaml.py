"""YAML bytes to plain JSON values, read as Azure ML reads them (YAML 1.1), only stricter.

Files come from strangers: what could be slow, ambiguous or dangerous is refused here, with its place. One pass over
the scanner's events builds the values; places are looked up by a second pass, and only when one is asked for,
because most files have nothing wrong in them.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.document import Document
from reconciler.format.scalars import MAX_DIGITS, TAG_PREFIX, UNREADABLE_NUMBER, parse_plain_scalar, parse_tagged_scalar
from reconciler.format.source_map import event_position, yaml_events
from reconciler.model import Json

MAX_BYTES = 5_000_000
MAX_DEPTH = 100
MAX_VALUES = 20_000  # with aliases written out: a few aliases are enough to name a billion values

# What libyaml takes for no text; named here, because it does not say where.
_NON_TEXT_CHARACTER = re.compile("[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


class _UnreadableDocumentError(Exception):
    """Ends the reading of a document with one diagnostic."""

    def __init__(self, code: str, message: str, at: tuple[int, int] = (1, 1), hint: str = "") -> None:
        super().__init__(message)
        self.problem = (code, message, at, hint)


@dataclass(slots=True)
class _Frame:
    """A mapping or a list being read: how many values it has and on how many levels, aliases written out.

    ``key`` is the key whose value comes next: None where a key comes next, and never so in a list.
    """

    container: Any
    anchor: str | None
    key: str | None
    keys: dict[str, Any]  # the keys so far, with the event of each
    size: int = 1
    height: int = 1
    is_merge_key: bool = False  # whether the key is the merge key
    is_value_dropped: bool = False  # whether the value that comes next stands under a key that is refused


Problem = tuple[str, str, tuple[int, int], str]


@lru_cache(maxsize=64)  # a component is read by itself and for the pipeline beside it
def parse_yaml(path: str, raw: bytes) -> tuple[Document, tuple[Diagnostic, ...]]:
    """Read one file. A document that cannot be read has ``data`` None and a diagnostic that says why."""
    problems: list[Problem] = []
    text = ""
    data = None
    try:
        text = _decode_text(raw)
        data = _DocumentBuilder(problems).build(text)
    except _UnreadableDocumentError as refused:
        problems = [refused.problem]
    except yaml.MarkedYAMLError as error:
        problems = [_too_deep_before(text, error) or _syntax_problem(error)]
    except yaml.YAMLError as error:
        problems = [("yaml-syntax", f"this is not YAML: {str(error).splitlines()[0]}", (1, 1), "")]
    found = tuple(Diagnostic(code, message, Span(path, *at), hint) for code, message, at, hint in problems)
    return Document(path, data, text if data is not None else ""), found


def _decode_text(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        message = f"the file has {len(raw):,} bytes; an asset file has at most {MAX_BYTES:,}"
        raise _UnreadableDocumentError("file-too-large", message)
    try:
        raw = raw.removeprefix(BOM_UTF8)
        text = raw.decode()
    except UnicodeDecodeError as error:
        place = (raw.count(b"\n", 0, error.start) + 1, error.start - raw.rfind(b"\n", 0, error.start))
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise _UnreadableDocumentError("not-utf8", message, place, "save the file as UTF-8") from error
    if found := _NON_TEXT_CHARACTER.search(text):
        start = found.start()
        place = (text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start))
        raise _UnreadableDocumentError(
            "not-text", f"the file holds the character 0x{ord(found[0]):02x}: it is not text", place
        )
    return text


def _too_deep_before(text: str, error: yaml.MarkedYAMLError) -> Problem | None:
    """Return that the document is nested too deep before the place of a syntax error; None if it is not.

    The scanner reads ahead of the events, and newer ones limit the nesting themselves. Mlgit's limit is reported
    first, whatever the version of the parser.
    """
    if error.problem_mark is None:
        return None
    try:
        _DocumentBuilder([]).build(text[: error.problem_mark.index])
    except _UnreadableDocumentError as refused:
        return refused.problem if refused.problem[0] == "yaml-too-deep" else None
    except yaml.YAMLError:
        return None
    return None


def _syntax_problem(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = str(error.problem or error.context or error)
    hint = "indent with spaces" if "cannot start any token" in problem else ""
    return ("yaml-syntax", f"this is not YAML: {problem}", place, hint)


class _DocumentBuilder:
    """Builds values from events; what is wrong but readable is added to ``problems``."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._root: list[Json] = []
        self._stack = [_Frame(self._root, None, "", {}, size=0)]  # a list of the documents, around them
        self._anchors: dict[str, tuple[Json, int, int]] = {}

    def build(self, text: str) -> Json:
        stack = self._stack
        for event in yaml_events(text):
            sort = type(event)
            if sort is ScalarEvent:
                frame = stack[-1]
                if frame.key is None:
                    self._add_key(frame, event)
                else:
                    self._add_scalar(frame, event)
            elif sort is MappingStartEvent:
                self._open_collection(event, {}, None)
            elif sort is SequenceStartEvent:
                self._open_collection(event, [], "")
            elif sort is MappingEndEvent or sort is SequenceEndEvent:
                self._close_collection()
            elif sort is AliasEvent:
                self._add_alias(event)
            elif sort is DocumentStartEvent and self._root:
                raise _UnreadableDocumentError(
                    "yaml-documents", "a second document begins here", event_position(event), "one asset, one file"
                )
        if not self._root or self._root[0] is None:
            raise _UnreadableDocumentError(
                "yaml-empty", "the file is empty", hint="an asset file is a mapping of fields"
            )
        return self._root[0]

    def _add_scalar(self, frame: _Frame, event: Any) -> None:
        plainly = event.tag is None and event.implicit[0]
        tag, value = parse_plain_scalar(event.value) if plainly else parse_tagged_scalar(event.tag, event.value)
        if tag == "refused":
            self._problems.append(
                (
                    "yaml-tag",
                    f"the tag {_format_tag(event.tag)} is not allowed here",
                    event_position(event),
                    "write a plain value",
                )
            )
        elif tag == UNREADABLE_NUMBER:
            self._problems.append(
                ("yaml-number", f"{event.value[:MAX_DIGITS]} is not a number that JSON has", event_position(event), "")
            )
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1, 0)
        self._add_value(frame, value, 1, 0, event)

    def _add_key(self, frame: _Frame, event: Any) -> None:
        key = frame.key = event.value
        plainly = event.tag is None and event.implicit[0]
        tag = parse_plain_scalar(key)[0] if plainly else parse_tagged_scalar(event.tag, key)[0]
        frame.is_merge_key = tag == "merge"
        frame.is_value_dropped = (tag != "str" and tag not in _KEY_TYPES) or key in frame.keys
        if not frame.is_value_dropped:
            frame.keys[key] = event
        elif tag in _KEY_TYPES:
            first = event_position(frame.keys[key])[0]
            self._problems.append(
                (
                    "yaml-duplicate-key",
                    f"{key!r} stands here twice, first on line {first}",
                    event_position(event),
                    _DUPLICATE_KEY_HINT,
                )
            )
        else:
            self._problems.append(
                ("yaml-key", f"the key {key} is read as no string", event_position(event), "put it in quotes")
            )

    def _open_collection(self, event: Any, container: Json, key: str | None) -> None:
        if len(self._stack) > MAX_DEPTH:
            raise _UnreadableDocumentError(
                "yaml-too-deep", f"nested more than {MAX_DEPTH} levels deep", event_position(event)
            )
        if self._stack[-1].key is None:
            raise _UnreadableDocumentError(
                "yaml-key", "a list or a mapping cannot be a key", event_position(event), _TEMPLATE_HINT
            )
        if event.tag is not None and not event.implicit and event.tag not in _COLLECTION_TAGS:
            self._problems.append(
                (
                    "yaml-tag",
                    f"the tag {_format_tag(event.tag)} is not allowed here",
                    event_position(event),
                    "write a plain value",
                )
            )
        self._stack.append(_Frame(container, event.anchor, key, {}))

    def _close_collection(self) -> None:
        frame = self._stack.pop()
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (frame.container, frame.size, frame.height)
        self._add_value(self._stack[-1], frame.container, frame.size, frame.height, None)

    def _add_alias(self, event: Any) -> None:
        found = self._anchors.get(event.anchor)
        if found is None:
            inside = any(frame.anchor == event.anchor for frame in self._stack)
            message = "this alias refers to what it stands in" if inside else f"nothing above is marked &{event.anchor}"
            raise _UnreadableDocumentError("yaml-aliases", message, event_position(event), "write the value out")
        if self._stack[-1].key is None:
            raise _UnreadableDocumentError(
                "yaml-key", "an alias cannot be a key", event_position(event), "write it out"
            )
        self._add_value(self._stack[-1], *found, event)

    def _add_value(self, frame: _Frame, value: Json, size: int, height: int, event: Any) -> None:
        frame.size += size
        if height >= frame.height:
            frame.height = height + 1
            if len(self._stack) + height > MAX_DEPTH + 1:
                raise _UnreadableDocumentError(
                    "yaml-too-deep", f"nested more than {MAX_DEPTH} levels deep", event_position(event)
                )
        if frame.size > MAX_VALUES:
            raise _UnreadableDocumentError(
                "yaml-too-many", f"more than {MAX_VALUES:,} values, with aliases written out", event_position(event)
            )
        container, key = frame.container, frame.key
        if type(container) is list:
            container.append(value)
            return
        frame.key = None
        if frame.is_value_dropped:
            return
        if frame.is_merge_key and isinstance(value, dict):
            for name, each in value.items():
                container.setdefault(name, each)
        else:
            container[key] = value


_KEY_TYPES = {"str", "merge", "value"}  # what a key can be read as
_DUPLICATE_KEY_HINT = "remove one of them"
_TEMPLATE_HINT = "{{ and }} are a template's: fill the template in first, or put the value in quotes"
_COLLECTION_TAGS = {f"{TAG_PREFIX}map", f"{TAG_PREFIX}seq"}


def _format_tag(tag: str | None) -> str:
    text = str(tag)
    return f"!!{text.removeprefix(TAG_PREFIX)}" if text.startswith(TAG_PREFIX) else text
