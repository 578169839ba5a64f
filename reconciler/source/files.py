"""The asset files below folders, with or without Git: for formatting and for editors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.config.config import CONFIG_FILE
from reconciler.diagnostics import Diagnostic, Span, has_errors
from reconciler.format.detect import detect_kind, names_azureml_schema
from reconciler.format.document import Document
from reconciler.format.ignore import parse_ignore_patterns
from reconciler.format.kind import Kind
from reconciler.format.pointers import find_value
from reconciler.format.yaml import parse_yaml
from reconciler.source.disk import DiskFiles, expand_paths
from reconciler.source.roots import named_roots

_MAX_IGNORE_BYTES = 100_000  # a pattern takes a hundred times its length


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file on disk: an asset of a kind, or a file that cannot be read, with the diagnostics that say why."""

    path: str
    document: Document
    kind: Kind | None
    diagnostics: tuple[Diagnostic, ...] = ()
    raw: bytes = b""


def find_asset_files(top: Path, paths: Sequence[str]) -> Iterator[SourceFile]:
    """Yield the assets among the files and below the folders that paths name, relative to ``top``.

    Raise UserError ``path-unknown`` for a path that does not exist. Hidden folders, and what .gitignore or
    ``assets: exclude:`` in mlgit.yml of ``top`` name, are left out unless a path names them. Other files are passed
    over, except those that cannot be read and that were named or mention Azure ML.
    """
    files = DiskFiles(top, {}, named_roots(top, paths))
    excluded = parse_ignore_patterns(_excluded_patterns(top))
    for path in dict.fromkeys(expand_paths(files.rooted, paths)):
        is_inside = not path.startswith(("/", ".."))
        if is_inside and path not in paths and excluded.match_file(path):
            continue
        source_file = _read_source_file(files, path, is_named=path in paths)
        if source_file:
            yield source_file


def _read_source_file(files: DiskFiles, path: str, *, is_named: bool) -> SourceFile | None:
    raw = files.read_file(path)
    if not raw and (problem := files.path_problem(path)):
        diagnostic = Diagnostic(problem.code, str(problem), Span(path), problem.hint)
        return SourceFile(path, Document(path, None), None, (diagnostic,))
    document, diagnostics = parse_yaml(path, raw)
    kind = detect_kind(document)
    if has_errors(diagnostics) and (kind or is_named or names_azureml_schema(raw)):
        return SourceFile(path, document, None, diagnostics, raw)
    return SourceFile(path, document, kind, raw=raw) if kind else None


def _excluded_patterns(top: Path) -> list[str]:
    files = DiskFiles(top, {})
    lines = files.read_file(".gitignore")[:_MAX_IGNORE_BYTES].decode("utf-8", "replace").splitlines()
    data = parse_yaml(CONFIG_FILE, files.read_file(CONFIG_FILE))[0].data
    excluded = find_value(data, ("assets", "exclude"))
    return lines + [str(pattern) for pattern in (excluded if isinstance(excluded, list) else ())]
