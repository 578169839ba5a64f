"""A document with the values that options (``--set``) give it; see ``format.overrides`` for the options."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Span, option_span
from reconciler.format.document import Document
from reconciler.format.overrides import (
    Override,
    format_path,
    parse_options,
    set_values,
)
from reconciler.format.schemas import check_against_schema
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json

_IO_GROUPS = ("inputs", "outputs")
_LINE_BREAKS = re.compile("[\n\r\x85\u2028\u2029]")


def override_document(
    document: Document, kind_name: str, options: Sequence[str]
) -> tuple[Document, tuple[Diagnostic, ...]]:
    """Return the document of a kind with the values of options, and what is wrong with the options.

    Where the schema wants text, a value that is a number or a truth value stays as it was typed. What the schema and
    the rules say of the result is for the caller to find.
    """
    overrides, diagnostics = parse_options(options)
    if not isinstance(document.data, Mapping):
        return document, diagnostics
    overrides = _keep_text(document, kind_name, overrides)
    data, conflicts = set_values(document.data, overrides)
    unknown = _find_unknown_io(document.data, data, kind_name, overrides)
    return _make_document(document, data, overrides), (*diagnostics, *conflicts, *unknown)


def name_options(
    diagnostics: Iterable[Diagnostic], without_options: Iterable[Diagnostic], document: Document
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of a document that has the values of options, given those of the document without them.

    What is wrong with a line of the file only because of an option, such as an input that is used and was set to be
    absent, names the options in its hint.
    """
    known = frozenset(without_options)
    places = [override.place for override in document.overrides] if isinstance(document, OverriddenDocument) else []
    if not places:
        return tuple(diagnostics)
    cause = f"follows from {' '.join(places)}"
    return tuple(
        diagnostic
        if diagnostic in known or diagnostic.span is None or diagnostic.span.is_option
        else diagnostic._replace(hint=f"{cause}: {diagnostic.hint}" if diagnostic.hint else cause)
        for diagnostic in diagnostics
    )


def _keep_text(document: Document, kind_name: str, overrides: tuple[Override, ...]) -> tuple[Override, ...]:
    """Return overrides with the text of each value that is refused as JSON, and not as text."""
    refused = _refused_places(document, kind_name, overrides)
    typed = tuple(
        override._replace(value=override.text)
        if override.place in refused and not isinstance(override.value, str | list | dict)
        else override
        for override in overrides
    )
    if typed == overrides:
        return overrides
    still_refused = _refused_places(document, kind_name, typed)
    return tuple(
        override if text.place in still_refused else text for override, text in zip(overrides, typed, strict=True)
    )


def _refused_places(document: Document, kind_name: str, overrides: tuple[Override, ...]) -> frozenset[str]:
    overridden = _make_document(document, set_values(document.data, overrides)[0], overrides)
    return frozenset(
        diagnostic.span.path for diagnostic in check_against_schema(overridden, kind_name) if diagnostic.span
    )


def _find_unknown_io(
    before: Mapping[str, Json], after: Mapping[str, Json], kind_name: str, overrides: Iterable[Override]
) -> Iterator[Diagnostic]:
    """Yield the inputs and outputs that the file has not and that no expression of the document uses."""
    for override in overrides:
        group, name = (str(override.keys[0]), override.keys[1]) if len(override.keys) > 1 else ("", "")
        declared = before.get(group) or {}
        if group not in _IO_GROUPS or not isinstance(declared, Mapping) or name in declared:
            continue
        if not _is_used(f"{group}.{name}", after):
            message = f"this {kind_name} has no {group[:-1]} {name}"
            hint = (
                did_you_mean(str(name), declared) or f"use it in the command as ${{{{{group}.{name}}}}}, or correct it"
            )
            yield Diagnostic("set-unknown", message, option_span(override.place), hint)


def _is_used(path: str, data: Json) -> bool:
    """Return True if an expression in the document names an input or an output."""
    return re.search(rf"\$\{{\{{[^{{}}]*\b{re.escape(path)}\b", json.dumps(data, ensure_ascii=False)) is not None


@dataclass(frozen=True, slots=True)
class OverriddenDocument(Document):
    """A document with the values of options.

    Its text is that of the file, with a comment for each option at the end, so that a search finds what they write.
    ``starts`` are the offsets of these comments.
    """

    overrides: tuple[Override, ...] = ()
    starts: tuple[int, ...] = ()

    def key_span(self, pointer: str) -> Span:
        return self._option_span(pointer) or Document.key_span(self, pointer)

    def value_span(self, pointer: str) -> Span:
        return self._option_span(pointer) or Document.value_span(self, pointer)

    def span_at(self, offset: int) -> Span:
        index = bisect_right(self.starts, offset) - 1
        return Document.span_at(self, offset) if index < 0 else option_span(self.overrides[index].place)

    def offset_of(self, span: Span) -> int:
        if not span.is_option:
            return Document.offset_of(self, span)
        places = [override.place for override in self.overrides]
        return self.starts[places.index(span.path)]

    def scalar_text(self, pointer: str) -> str | None:
        return None if self._option_span(pointer) else Document.scalar_text(self, pointer)

    def plain_text(self, pointer: str) -> str | None:
        return None if self._option_span(pointer) else Document.plain_text(self, pointer)

    def _option_span(self, pointer: str) -> Span | None:
        """Return the place of the option that gave a value, or a part of it; None for a value of the file."""
        last_first = self.overrides[::-1]
        inside = (override for override in last_first if f"{pointer}/".startswith(f"{override.pointer}/"))
        override = next(inside, None)
        if override is None and pointer and not self.has_pointer(pointer):
            override = next((one for one in last_first if one.pointer.startswith(f"{pointer}/")), None)
        return option_span(override.place) if override else None


def _make_document(document: Document, data: Json, overrides: Sequence[Override]) -> Document:
    text, starts = document.text, []
    for override in overrides:
        text += "\n"
        starts.append(len(text))
        text += f"# {format_path(override.keys)}={_LINE_BREAKS.sub(' ', override.text)}"
    return OverriddenDocument(document.path, data, text, overrides=tuple(overrides), starts=tuple(starts))
