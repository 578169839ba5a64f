"""One asset as rules see it: its document, its fields, and the files around it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.pointers import join
from reconciler.format.yaml import Document, parse
from reconciler.model import Files, Json, Spec


@dataclass(frozen=True, slots=True, eq=False)  # each is itself, so that what is made of one can be kept
class Subject:
    """An asset that satisfies its schema. ``path`` is its file's, from the top; ``spec`` what the file says."""

    path: str
    document: Document
    spec: Spec
    files: Files

    def beside(self, path: str) -> str:
        """Return, from the top, a path that the file gives relative to itself."""
        return beside(self.path, path)

    def at_value(self, code: str, message: str, *pointer: str | int, hint: str = "") -> Diagnostic:
        """Say what is wrong with a value."""
        return Diagnostic(code, message, self.document.value(join(*pointer)), hint)

    def at_key(self, code: str, message: str, *pointer: str | int, hint: str = "") -> Diagnostic:
        """Say what is wrong with a key, or with the lack of something below it."""
        return Diagnostic(code, message, self.document.key(join(*pointer)), hint)

    def load(self, path: str) -> Json:
        """Read the YAML file at a path from the top; None where there is none that can be read."""
        if not self.files.exists(path):
            return None
        document, problems = parse(self.files.shown(path), self.files.file(path))
        return None if any(each.severity is Severity.ERROR for each in problems) else document.data


@lru_cache(maxsize=1024)  # every rule that looks at a path asks for the same
def beside(file: str, path: str) -> str:
    """Return, from the top, a path that a file gives relative to itself."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), path))


Rule = Callable[[Subject], Iterator[Diagnostic]]
