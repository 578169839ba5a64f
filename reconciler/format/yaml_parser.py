"""The YAML parser: YAML 1.1 as Azure ML reads it, but without what is slow, ambiguous or dangerous.

Files may come from untrusted authors. One pass over the parser's events builds the values. Positions are looked up in
a second pass, only if a diagnostic needs one: most files have none.
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
from reconciler.format.yaml import MAX_BYTES, MAX_DEPTH, MAX_VALUES
from reconciler.model import Json

# The characters that libyaml refuses, as UTF-8; a pattern of bytes compiles in a tenth of the time.
_NON_TEXT_CHARACTER = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x84\x86-\x9f]|\xef\xbf[\xbe\xbf]",
)


class _UnreadableDocumentError(Exception):
    """An error that ends parsing, with the parts of its diagnostic."""

    def __init__(self, code: str, message: str, position: tuple[int, int] = (1, 1), hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.position = position
        self.hint = hint

    def to_diagnostic(self, path: str) -> Diagnostic:
        return Diagnostic(self.code, self.message, Span(path, *self.position), self.hint)


@dataclass(slots=True)
class _Frame:
    """A mapping or list being built: its number of values and its height, with aliases expanded.

    ``key`` is the key of the next value, None if the next event is a key; in a list it is never None.
    """

    container: Any
    anchor: str | None
    key: str | None
    keys: dict[str, Any]  # the keys so far, with their events
    size: int = 1
    height: int = 1
    is_merge_key: bool = False
    is_value_dropped: bool = False  # the key of the next value was refused


@lru_cache(maxsize=64)  # a component is parsed by itself and for each pipeline that uses it
def parse_document(path: str, raw: bytes) -> tuple[Document, tuple[Diagnostic, ...]]:
    """Return the document of a file and its diagnostics; ``data`` is None if it cannot be parsed."""
    diagnostics: list[Diagnostic] = []
    text = ""
    data = None
    try:
        text = _decode_text(raw)
        data = _DocumentBuilder(path, diagnostics).build(text)
    except (_UnreadableDocumentError, yaml.YAMLError) as error:
        diagnostics = [(_find_non_text_character(text) or _explain_error(text, error)).to_diagnostic(path)]
    parsed, unparsed = ("", text) if data is None else (text, "")
    return Document(path, data, parsed, unparsed), tuple(diagnostics)


def _decode_text(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        message = f"the file has more than {MAX_BYTES:,} bytes, which is the limit"
        raise _UnreadableDocumentError("file-too-large", message)
    try:
        raw = raw.removeprefix(BOM_UTF8)
        return raw.decode()
    except UnicodeDecodeError as error:
        position = (raw.count(b"\n", 0, error.start) + 1, error.start - raw.rfind(b"\n", 0, error.start))
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise _UnreadableDocumentError("not-utf8", message, position, "save the file as UTF-8") from error


def _find_non_text_character(text: str) -> _UnreadableDocumentError | None:
    """Return the error for the first character that libyaml refuses, which it does without a position."""
    raw = text.encode()
    match = _NON_TEXT_CHARACTER.search(raw)
    if match is None:
        return None
    line_start = raw.rfind(b"\n", 0, match.start()) + 1
    position = (raw.count(b"\n", 0, match.start()) + 1, len(raw[line_start : match.start()].decode()) + 1)
    message = f"the character 0x{ord(match[0].decode()):02x} is not allowed in YAML"
    return _UnreadableDocumentError("not-text", message, position)


def _explain_error(text: str, error: Exception) -> _UnreadableDocumentError:
    if isinstance(error, _UnreadableDocumentError):
        return error
    if isinstance(error, yaml.MarkedYAMLError):
        return _too_deep_before(text, error) or _syntax_error(error)
    return _UnreadableDocumentError("yaml-syntax", f"invalid YAML: {str(error).splitlines()[0]}")


def _too_deep_before(text: str, error: yaml.MarkedYAMLError) -> _UnreadableDocumentError | None:
    """Return the error for a document that is nested too deep before the position of a syntax error.

    The scanner reads ahead of the events, and newer versions limit the nesting themselves. The limit of mlgit is
    reported first, whatever the version.
    """
    if error.problem_mark is None:
        return None
    try:
        _DocumentBuilder("", []).build(text[: error.problem_mark.index])
    except _UnreadableDocumentError as unreadable:
        return unreadable if unreadable.code == "yaml-too-deep" else None
    except yaml.YAMLError:
        return None
    return None


def _syntax_error(error: yaml.MarkedYAMLError) -> _UnreadableDocumentError:
    mark = error.problem_mark or error.context_mark
    position = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = str(error.problem or error.context or error)
    hint = "indent with spaces" if "cannot start any token" in problem else ""
    return _UnreadableDocumentError("yaml-syntax", f"invalid YAML: {problem}", position, hint)


class _DocumentBuilder:
    """Builds values from events; diagnostics that do not end parsing are appended to ``diagnostics``."""

    def __init__(self, path: str, diagnostics: list[Diagnostic]) -> None:
        self._path = path
        self._diagnostics = diagnostics
        self._root: list[Json] = []
        self._stack = [_Frame(self._root, None, "", {}, size=0)]  # the list of documents
        self._anchors: dict[str, tuple[Json, int, int]] = {}

    def build(self, text: str) -> Json:
        stack = self._stack
        for event in yaml_events(text):
            event_type = type(event)
            if event_type is ScalarEvent:
                frame = stack[-1]
                if frame.key is None:
                    self._add_key(frame, event)
                else:
                    self._add_scalar(frame, event)
            elif event_type is MappingStartEvent:
                self._open_collection(event, {}, None)
            elif event_type is SequenceStartEvent:
                self._open_collection(event, [], "")
            elif event_type is MappingEndEvent or event_type is SequenceEndEvent:
                self._close_collection()
            elif event_type is AliasEvent:
                self._add_alias(event)
            elif event_type is DocumentStartEvent and self._root:
                message, hint = "a second document begins here", "write each asset to its own file"
                raise _UnreadableDocumentError("yaml-documents", message, event_position(event), hint)
        if not self._root or self._root[0] is None:
            raise _UnreadableDocumentError("yaml-empty", "the file is empty", hint="write a mapping of fields")
        return self._root[0]

    def _report(self, code: str, message: str, event: Any, hint: str = "") -> None:
        self._diagnostics.append(Diagnostic(code, message, Span(self._path, *event_position(event)), hint))

    def _add_scalar(self, frame: _Frame, event: Any) -> None:
        is_plain = event.tag is None and event.implicit[0]
        tag, value = parse_plain_scalar(event.value) if is_plain else parse_tagged_scalar(event.tag, event.value)
        if tag == "refused":
            self._report(
                "yaml-tag", f"the tag {_format_tag(event.tag)} is not allowed here", event, "write a plain value"
            )
        elif tag == UNREADABLE_NUMBER:
            message = f"{event.value[:MAX_DIGITS]} cannot be represented as a JSON number"
            self._report("yaml-number", message, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1, 0)
        self._add_value(frame, value, 1, 0, event)

    def _add_key(self, frame: _Frame, event: Any) -> None:
        key = frame.key = event.value
        is_plain = event.tag is None and event.implicit[0]
        tag = parse_plain_scalar(key)[0] if is_plain else parse_tagged_scalar(event.tag, key)[0]
        frame.is_merge_key = tag == "merge"
        frame.is_value_dropped = (tag != "str" and tag not in _KEY_TYPES) or key in frame.keys
        if not frame.is_value_dropped:
            frame.keys[key] = event
        elif tag in _KEY_TYPES:
            first = event_position(frame.keys[key])[0]
            message = f"duplicate key {key!r}, first on line {first}"
            self._report("yaml-duplicate-key", message, event, "remove one of them")
        else:
            self._report("yaml-key", f"the key {key} is not read as a string", event, "put it in quotes")

    def _open_collection(self, event: Any, container: Json, key: str | None) -> None:
        if len(self._stack) > MAX_DEPTH:
            raise _too_deep_error(event)
        if self._stack[-1].key is None:
            message = "a list or a mapping cannot be a key"
            raise _UnreadableDocumentError("yaml-key", message, event_position(event), _TEMPLATE_HINT)
        if event.tag is not None and not event.implicit and event.tag not in _COLLECTION_TAGS:
            self._report(
                "yaml-tag", f"the tag {_format_tag(event.tag)} is not allowed here", event, "write a plain value"
            )
        self._stack.append(_Frame(container, event.anchor, key, {}))

    def _close_collection(self) -> None:
        frame = self._stack.pop()
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (frame.container, frame.size, frame.height)
        self._add_value(self._stack[-1], frame.container, frame.size, frame.height, None)

    def _add_alias(self, event: Any) -> None:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            is_recursive = any(frame.anchor == event.anchor for frame in self._stack)
            message = "this alias contains itself" if is_recursive else f"the anchor &{event.anchor} is not defined"
            raise _UnreadableDocumentError("yaml-aliases", message, event_position(event), _ALIAS_HINT)
        if self._stack[-1].key is None:
            message = "an alias cannot be a key"
            raise _UnreadableDocumentError("yaml-key", message, event_position(event), _ALIAS_HINT)
        self._add_value(self._stack[-1], *anchored, event)

    def _add_value(self, frame: _Frame, value: Json, size: int, height: int, event: Any) -> None:
        frame.size += size
        if height >= frame.height:
            frame.height = height + 1
            if len(self._stack) + height > MAX_DEPTH + 1:
                raise _too_deep_error(event)
        if frame.size > MAX_VALUES:
            message = f"more than {MAX_VALUES:,} values, with aliases expanded"
            raise _UnreadableDocumentError("yaml-too-many", message, event_position(event))
        container, key = frame.container, frame.key
        if type(container) is list:
            container.append(value)
            return
        frame.key = None
        if frame.is_value_dropped:
            return
        if frame.is_merge_key and isinstance(value, dict):
            for merged_key, merged_value in value.items():
                container.setdefault(merged_key, merged_value)
        else:
            container[key] = value


_KEY_TYPES = {"str", "merge", "value"}
_ALIAS_HINT = "write the value instead of an alias"
_TEMPLATE_HINT = "render the template first if {{ and }} are its placeholders, else put the value in quotes"
_COLLECTION_TAGS = {f"{TAG_PREFIX}map", f"{TAG_PREFIX}seq"}


def _too_deep_error(event: Any) -> _UnreadableDocumentError:
    return _UnreadableDocumentError("yaml-too-deep", f"nested more than {MAX_DEPTH} levels deep", event_position(event))


def _format_tag(tag: str | None) -> str:
    text = str(tag)
    return f"!!{text.removeprefix(TAG_PREFIX)}" if text.startswith(TAG_PREFIX) else text
