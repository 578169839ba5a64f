"""The context of a lint rule: one asset, its document, and the files around it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.format.document import Document
from reconciler.format.pointers import join_pointer
from reconciler.format.yaml import parse_yaml
from reconciler.model import FileReader, Json, Spec


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: results are cached by context
class RuleContext:
    """An asset that satisfies its schema; ``path`` is that of its file, from the top of the repository."""

    path: str
    document: Document
    spec: Spec
    files: FileReader

    def resolve_relative_path(self, path: str) -> str:
        """Return a path relative to the file as a path from the top of the repository."""
        return resolve_relative_path(self.path, path)

    def value_diagnostic(self, code: str, message: str, *pointer: str | int, hint: str = "") -> Diagnostic:
        """Return a diagnostic at the value of a pointer."""
        return Diagnostic(code, message, self.document.value_span(join_pointer(*pointer)), hint)

    def key_diagnostic(self, code: str, message: str, *pointer: str | int, hint: str = "") -> Diagnostic:
        """Return a diagnostic at the key of a pointer, such as for a missing field below it."""
        return Diagnostic(code, message, self.document.key_span(join_pointer(*pointer)), hint)

    def load_yaml(self, path: str) -> Json:
        """Return the data of the YAML file at a path from the top of the repository, or None if it cannot be read."""
        if not self.files.exists(path):
            return None
        document, diagnostics = parse_yaml(self.files.display_path(path), self.files.read_file(path))
        return None if has_errors(diagnostics) else document.data


@lru_cache(maxsize=1024)  # several rules resolve the same path
def resolve_relative_path(file: str, path: str) -> str:
    """Return a path relative to a file as a path from the top of the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), path))


Rule = Callable[[RuleContext], Iterator[Diagnostic]]
