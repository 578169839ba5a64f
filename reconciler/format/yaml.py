"""YAML bytes to plain JSON values with positions, read as Azure ML reads them (YAML 1.1), only stricter.

Files come from strangers: what could be slow, ambiguous or dangerous is refused here, with its place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from reconciler.diagnostics import Diagnostic, Span
from reconciler.model import Json

MAX_BYTES = 5_000_000
MAX_DEPTH = 100
MAX_ALIASES = 100
MAX_VALUES = 50_000  # aliases written out: a hundred of them are enough to name a billion values
MAX_POINTER = 4_000  # characters
MAX_DIGITS = 100
MAX_PURE = 100_000  # characters that the Python scanner may be asked to read: it is ten times slower

_TAG = "tag:yaml.org,2002:"
_TRUE = {"yes", "true", "on"}
_NO_TEXT = re.compile("[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_SURROGATE = re.compile("[\\ud800-\\udfff]")
_WRITE_OUT, _ONE = "write the values out", "one asset, one file"
_COLLECTIONS = {f"{_TAG}map", f"{_TAG}seq"}
_LETTERS = {"y", "Y", "n", "N"}  # booleans in the YAML 1.1 text, strings in every reader in use


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file as JSON, with the place of every key and value by JSON pointer, and numbers as they were typed."""

    path: str
    data: Json
    keys: dict[str, Span] = field(default_factory=dict)
    values: dict[str, Span] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)

    def key(self, pointer: str) -> Span:
        """Return the place of the key at the pointer, or of the nearest one above it."""
        return self._nearest(self.keys, pointer)

    def value(self, pointer: str) -> Span:
        """Return the place of the value at the pointer, or of the nearest one above it."""
        return self._nearest(self.values, pointer)

    def _nearest(self, spans: dict[str, Span], pointer: str) -> Span:
        while pointer and pointer not in spans:
            pointer = pointer.rpartition("/")[0]
        return spans.get(pointer) or self.values.get(pointer) or Span(self.path)


class _RefusedError(Exception):
    """Carries the one diagnostic that ends the reading of a document."""

    def __init__(self, code: str, message: str, span: Span, hint: str = "") -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic(code, message, span, hint)


def parse(path: str, raw: bytes) -> tuple[Document, tuple[Diagnostic, ...]]:
    """Read one file. A document that cannot be read has ``data`` None and a diagnostic that says why."""
    try:
        text = _decode(path, raw)
        return _construct(path, _compose(path, text))
    except _RefusedError as refused:
        return Document(path, None), (refused.diagnostic,)
    except MarkedYAMLError as error:
        return Document(path, None), (_syntax(path, error),)
    except YAMLError as error:
        return Document(path, None), (Diagnostic("yaml-syntax", f"this is not YAML: {error}", Span(path)),)


def _compose(path: str, text: str) -> Node | None:
    """Compose with the C scanner; what that refuses is tried again in Python, which takes ``{a: azureml:b:1}``."""
    try:
        return _guarded(path, text, pure=False)
    except MarkedYAMLError as refused:
        if len(text) > MAX_PURE:
            raise
        try:
            return _guarded(path, text, pure=True)
        except ValueError:  # the Python scanner fails on "\\U00110000", which is no character
            raise refused from None


def _guarded(path: str, text: str, *, pure: bool) -> Node | None:
    _guard(path, _reader(pure=pure).parse(text))
    node: Node | None = _reader(pure=pure).compose(text)
    return node


def _reader(*, pure: bool) -> YAML:
    reader = YAML(typ="safe", pure=pure)
    reader.version = (1, 1)
    return reader


def _decode(path: str, raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        message = f"the file has {len(raw):,} bytes; an asset file has at most {MAX_BYTES:,}"
        raise _RefusedError("file-too-large", message, Span(path))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise _RefusedError("not-utf8", message, Span(path, line, column), "save the file as UTF-8") from error
    if found := _NO_TEXT.search(text):
        at = found.start()
        span = Span(path, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        raise _RefusedError("not-text", f"the file holds the character 0x{ord(found[0]):02x}: it is not text", span)
    return text


def _guard(path: str, events: Iterable[Event]) -> None:
    """Refuse depth, aliases and further documents before anything is composed: composing them is what costs."""
    depth = aliases = documents = 0
    for event in events:
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            depth += 1
        elif type(event).__name__.endswith("EndEvent"):
            depth -= 1
        aliases += isinstance(event, AliasEvent)
        documents += isinstance(event, DocumentStartEvent)
        if isinstance(event, ScalarEvent) and _SURROGATE.search(event.value):
            raise _RefusedError("yaml-syntax", "an escape here stands for half a character", _at(path, event))
        if depth > MAX_DEPTH:
            raise _RefusedError("yaml-too-deep", f"nested more than {MAX_DEPTH} levels deep", _at(path, event))
        if aliases > MAX_ALIASES:
            raise _RefusedError("yaml-aliases", f"more than {MAX_ALIASES} aliases", _at(path, event), _WRITE_OUT)
        if documents > 1:
            raise _RefusedError("yaml-documents", "a second document begins here", _at(path, event), _ONE)


def _at(path: str, event: Event) -> Span:
    return Span(path, event.start_mark.line + 1, event.start_mark.column + 1)


def _syntax(path: str, error: MarkedYAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    span = Span(path, mark.line + 1, mark.column + 1) if mark else Span(path)
    problem = str(error.problem or error.context or error)
    hint = "indent with spaces" if "'\\t'" in problem else ""
    return Diagnostic("yaml-syntax", f"this is not YAML: {problem}", span, hint)


def _construct(path: str, node: Node | None) -> tuple[Document, tuple[Diagnostic, ...]]:
    document = Document(path, None)
    problems: list[Diagnostic] = []
    data = _value(document, node, "", problems.append, ()) if node else None
    if data is None and not problems:
        problems.append(
            Diagnostic("yaml-empty", "the file is empty", Span(path), "an asset file is a mapping of fields")
        )
    return replace(document, data=data), tuple(problems)


Report = Callable[[Diagnostic], None]


def _value(document: Document, node: Node, pointer: str, report: Report, above: tuple[int, ...]) -> Json:
    span = document.values.setdefault(pointer, _span(document.path, node))
    if id(node) in above:
        raise _RefusedError("yaml-aliases", "this alias refers to what it stands in", span, _WRITE_OUT)
    if len(above) > MAX_DEPTH or len(pointer) > MAX_POINTER:
        raise _RefusedError("yaml-too-deep", f"nested more than {MAX_DEPTH} levels deep, or under too long keys", span)
    if len(document.values) > MAX_VALUES:
        raise _RefusedError("yaml-too-many", f"more than {MAX_VALUES:,} values, with aliases written out", span)
    within = (*above, id(node))
    if not isinstance(node, ScalarNode) and node.tag not in _COLLECTIONS:
        report(_tagged(node, span))
        return None
    match node:
        case MappingNode():
            return dict(_pairs(document, node, pointer, report, within))
        case SequenceNode():
            below = ((each, f"{pointer}/{index}") for index, each in enumerate(node.value))
            return [_value(document, each, where, report, within) for each, where in below]
        case ScalarNode():
            value = _scalar(node, span, report)
            if not isinstance(value, str):
                document.typed[pointer] = node.value
            return value
    raise AssertionError(node)


def _pairs(
    document: Document, node: MappingNode, pointer: str, report: Report, above: tuple[int, ...]
) -> Iterator[tuple[str, Json]]:
    seen: dict[str, Span] = {}
    for key, value in node.value:
        span = _span(document.path, key)
        if not isinstance(key, ScalarNode) or not (key.tag == f"{_TAG}str" or key.value in _LETTERS):
            shown = key.value if isinstance(key, ScalarNode) else "a list or mapping"
            report(Diagnostic("yaml-key", f"the key {shown} is read as no string", span, "put it in quotes"))
            continue
        if key.value in seen:
            first = seen[key.value].line
            report(Diagnostic("yaml-duplicate-key", f"{key.value!r} stands here twice, first on line {first}", span))
            continue
        seen[key.value] = span
        below = f"{pointer}/{escape(key.value)}"
        document.keys.setdefault(below, span)
        yield key.value, _value(document, value, below, report, above)


def _scalar(node: ScalarNode, span: Span, report: Report) -> Json:
    text: str = node.value
    match str(node.tag).removeprefix(_TAG):
        case "str" | "timestamp" | "value":
            return text
        case "null":
            return None
        case "bool":
            return text if text in _LETTERS else text.lower() in _TRUE
        case "int" | "float" as kind:
            number = _number(kind, text)
            if number is None:
                report(Diagnostic("yaml-number", f"{text[:MAX_DIGITS]} is not a number that JSON has", span))
            return number
    report(_tagged(node, span))
    return None


def _tagged(node: Node, span: Span) -> Diagnostic:
    tag = str(node.tag)
    shown = f"!!{tag.removeprefix(_TAG)}" if tag.startswith(_TAG) else tag
    return Diagnostic("yaml-tag", f"the tag {shown} is not allowed here", span, "write a plain value")


def _number(kind: str, text: str) -> int | float | str | None:
    """Read a number; None where JSON has none such."""
    plain = text.replace("_", "").lower()
    if ":" in plain:  # YAML 1.1 reads 1:30 as 90; nobody means that
        return text
    try:
        number = _integer(plain) if kind == "int" else float(plain.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:  # only a tag makes a number of what looks like none
        return None
    return number if len(plain) <= MAX_DIGITS and math.isfinite(number) else None


def _integer(plain: str) -> int:
    sign, digits = (-1, plain[1:]) if plain.startswith("-") else (1, plain.removeprefix("+"))
    octal = len(digits) > 1 and digits.startswith("0") and digits.isdigit()
    return sign * (int(digits, 8) if octal else int(digits, 0))


def _span(path: str, node: Node) -> Span:
    return Span(path, node.start_mark.line + 1, node.start_mark.column + 1)


def escape(key: str) -> str:
    """Write a key as a part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def unescape(part: str) -> str:
    """Read a part of a JSON pointer."""
    return part.replace("~1", "/").replace("~0", "~")
