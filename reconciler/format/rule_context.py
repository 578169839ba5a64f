"""One asset as rules see it: its document, its fields, and the files around it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.document import Document
from reconciler.format.pointers import join_pointer
from reconciler.format.yaml import parse_yaml
from reconciler.model import FileReader, Json, Spec


@dataclass(frozen=True, slots=True, eq=False)  # each is itself, so that what is made of one can be kept
class RuleContext:
    """An asset that satisfies its schema. ``path`` is its file's, from the top; ``spec`` what the file says."""

    path: str
    document: Document
    spec: Spec
    files: FileReader

    def resolve_relative_path(self, path: str) -> str:
        """Return, from the top, a path that the file gives relative to itself."""
        return resolve_relative_path(self.path, path)

    def value_diagnostic(self, code: str, message: str, *pointer: str | int, hint: str = "") -> Diagnostic:
        """Say what is wrong with a value."""
        return Diagnostic(code, message, self.document.value_span(join_pointer(*pointer)), hint)

    def key_diagnostic(self, code: str, message: str, *pointer: str | int, hint: str = "") -> Diagnostic:
        """Say what is wrong with a key, or with the lack of something below it."""
        return Diagnostic(code, message, self.document.key_span(join_pointer(*pointer)), hint)

    def load_yaml(self, path: str) -> Json:
        """Read the YAML file at a path from the top; None where there is none that can be read."""
        if not self.files.exists(path):
            return None
        document, problems = parse_yaml(self.files.display_path(path), self.files.read_file(path))
        return None if any(diagnostic.severity is Severity.ERROR for diagnostic in problems) else document.data


@lru_cache(maxsize=1024)  # every rule that looks at a path asks for the same
def resolve_relative_path(file: str, path: str) -> str:
    """Return, from the top, a path that a file gives relative to itself."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), path))


Rule = Callable[[RuleContext], Iterator[Diagnostic]]
