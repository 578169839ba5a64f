"""The asset files that lie in folders, with or without Git around them: what formatting and editors work on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.config.config import CONFIG_FILE
from reconciler.diagnostics import Diagnostic, Span, has_errors
from reconciler.format.detect import detect_kind
from reconciler.format.document import Document
from reconciler.format.ignore import parse_ignore_patterns
from reconciler.format.kind import Kind
from reconciler.format.pointers import find_value
from reconciler.format.yaml import parse_yaml
from reconciler.source.disk import DiskFiles, expand_paths


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it lies on the disk: an asset of a kind, or one that cannot be read, and why, with its bytes."""

    path: str
    document: Document
    kind: Kind | None
    diagnostics: tuple[Diagnostic, ...] = ()
    raw: bytes = b""


def find_asset_files(top: Path, paths: Sequence[str]) -> Iterator[SourceFile]:
    """Yield the assets among the files and below the folders that paths name, from ``top``; a UserError for neither.

    Left out are hidden folders and what .gitignore, or ``assets: exclude:`` of mlgit.yml, of ``top`` name. What is no
    asset is passed over; what cannot be read is not, where it was named or speaks of Azure ML.
    """
    files = DiskFiles(top, {})
    left_out = parse_ignore_patterns(_excluded_patterns(top))
    for path in dict.fromkeys(expand_paths(top, paths)):
        inside = not path.startswith(("/", ".."))
        if inside and path not in paths and left_out.match_file(path):
            continue
        try:
            raw = files.read_file(path)
        except OSError as error:
            problem = Diagnostic("path-unreadable", f"the file cannot be read: {error.strerror}", Span(path))
            yield SourceFile(path, Document(path, None), None, (problem,))
            continue
        document, problems = parse_yaml(path, raw)
        kind = detect_kind(document.data)
        if has_errors(problems) and (kind or path in paths or b"azureml" in raw):
            yield SourceFile(path, document, None, problems, raw)
        elif kind:
            yield SourceFile(path, document, kind, raw=raw)


def _excluded_patterns(folder: Path) -> list[str]:
    ignored, config = folder / ".gitignore", folder / CONFIG_FILE
    lines = ignored.read_text("utf-8", "replace").splitlines() if ignored.is_file() else []
    data = parse_yaml(CONFIG_FILE, config.read_bytes())[0].data if config.is_file() else None
    excluded = find_value(data, ("assets", "exclude"))
    return lines + [str(each) for each in excluded or () if not isinstance(excluded, str)]
