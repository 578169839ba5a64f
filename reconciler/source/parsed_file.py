"""What parsing one file gives, as a value and as JSON: for the local cache and for the shared index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.model import EMPTY_MAPPING, Address, Asset, Json, LocalPath, Reference, parse_address

DECODE_ERRORS = (ValueError, TypeError, RecursionError)  # raised by `decode_*` if the JSON is none of ours

_MAX_POSITION = 2**31  # lines and columns


class ParsedReference(NamedTuple):
    """A reference to another asset; its text and span are known if the file was parsed for validation."""

    address: Address
    text: str = ""
    span: Span | None = None


class ParsedFile(NamedTuple):
    """One file: the addresses that it declares, its references, what is wrong in it, and its dependencies.

    ``is_asset`` is False for a file that is not meant to be an asset. ``address`` is that of its asset, ``outputs`` are
    those of the outputs that a job registers. ``asset`` is set if the file was parsed for planning and has no errors,
    ``faulty`` if it has some; the shared index is without them. For ``deps`` see ``source.dependencies``.
    """

    path: str
    display_path: str
    is_asset: bool = True
    address: Address | None = None
    asset: Asset | None = None
    references: tuple[ParsedReference, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    deps: Mapping[str, str] = EMPTY_MAPPING
    faulty: Asset | None = None
    outputs: tuple[Address, ...] = ()

    @property
    def addresses(self) -> tuple[Address, ...]:
        """All addresses that the file declares, that of its asset first."""
        return (self.address, *self.outputs) if self.address else ()


def encode_parsed_file(parsed: ParsedFile) -> Json:
    """Write a parsed file, without its asset, as a list."""
    return [
        parsed.path,
        parsed.is_asset,
        [str(address) for address in parsed.addresses],
        [_encode_reference(reference, parsed.display_path) for reference in parsed.references],
        encode_diagnostics(parsed.diagnostics),
        dict(parsed.deps),
    ]


def decode_parsed_file(value: Json, display_path: str = "") -> ParsedFile:
    """Read what `encode_parsed_file` wrote; the display path is the path unless it is given."""
    path, is_asset, addresses, references, diagnostics, deps = value
    if type(is_asset) is not bool or not isinstance(deps, dict):
        raise TypeError(path)
    _check_texts(path, *addresses, *deps, *deps.values())
    display_path = display_path or path
    declared = tuple(map(parse_address, addresses))
    return ParsedFile(
        path,
        display_path,
        is_asset,
        declared[0] if declared else None,
        references=tuple(_decode_reference(display_path, *reference) for reference in references),
        diagnostics=decode_diagnostics(diagnostics),
        deps=deps,
        outputs=declared[1:],
    )


def _encode_reference(reference: ParsedReference, path: str) -> Json:
    """Write a reference as a list; it has a path only if that is not the path of the file."""
    span = reference.span
    if span is None:
        return [str(reference.address)]
    other_path = [span.path] if span.path != path else []
    return [str(reference.address), reference.text, span.line, span.column, *other_path]


def _decode_reference(path: str, address: Json, text: Json = "", *position: Json) -> ParsedReference:
    _check_texts(address, text)
    line_and_column, (reference_path,) = position[:2], position[2:] or (path,)
    span = _decode_span(reference_path, *line_and_column) if position else None
    return ParsedReference(parse_address(address), text, span)


def encode_diagnostics(diagnostics: tuple[Diagnostic, ...]) -> Json:
    """Write diagnostics as lists."""
    return [
        [
            diagnostic.code,
            diagnostic.message,
            [diagnostic.span.path, diagnostic.span.line, diagnostic.span.column] if diagnostic.span else None,
            diagnostic.hint,
            str(diagnostic.severity),
        ]
        for diagnostic in diagnostics
    ]


def decode_diagnostics(value: Json) -> tuple[Diagnostic, ...]:
    """Read what `encode_diagnostics` wrote."""
    return tuple(_decode_diagnostic(*diagnostic) for diagnostic in value)


def _decode_diagnostic(code: Json, message: Json, span: Json, hint: Json, severity: Json) -> Diagnostic:
    _check_texts(code, message, hint)
    return Diagnostic(code, message, _decode_span(*span) if span else None, hint, Severity(severity))


def _decode_span(path: Json, line: Json, column: Json) -> Span:
    _check_texts(path)
    if not all(type(number) is int and 0 < number < _MAX_POSITION for number in (line, column)):
        raise ValueError(line, column)
    if not path.isprintable():
        raise ValueError(path)
    return Span(path, line, column)


def _check_texts(*values: Json) -> None:
    for value in values:
        if not isinstance(value, str):
            raise TypeError(value)


def encode_asset(asset: Asset | None) -> Json:
    """Write an asset as a list, None as None."""
    if asset is None:
        return None
    references = [
        [use.pointer, use.text, str(use.address), use.version, use.label, use.output, use.path]
        for use in asset.references
    ]
    paths = [[path.pointer, path.text, path.path, path.name] for path in asset.paths]
    return [str(asset.address), asset.spec, asset.source, asset.version, references, paths, asset.runs_on_change]


def decode_asset(value: Json) -> Asset | None:
    """Read what `encode_asset` wrote."""
    if value is None:
        return None
    address, spec, source, version, references, paths, runs_on_change = value
    return Asset(
        parse_address(address),
        spec,
        source,
        version,
        tuple(Reference(pointer, text, parse_address(target), *more) for pointer, text, target, *more in references),
        tuple(LocalPath(*path) for path in paths),
        runs_on_change,
    )
