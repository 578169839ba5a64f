"""Parse YAML to JSON values, within limits.

The parser (``yaml_parser``, which imports PyYAML) is imported by name, with the first file: a command whose files are
all cached needs none.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import cache

from reconciler.diagnostics import Diagnostic
from reconciler.format.document import Document
from reconciler.model import MAX_TEXT_BYTES

MAX_BYTES = MAX_TEXT_BYTES
MAX_DEPTH = 100
MAX_VALUES = 20_000  # with aliases expanded: a few aliases can expand to a billion values


def parse_yaml(path: str, raw: bytes) -> tuple[Document, tuple[Diagnostic, ...]]:
    """Return the document of a file and its diagnostics; ``data`` is None if it cannot be parsed."""
    return _parser()(path, raw)


@cache
def _parser() -> Callable[[str, bytes], tuple[Document, tuple[Diagnostic, ...]]]:
    parse: Callable[[str, bytes], tuple[Document, tuple[Diagnostic, ...]]]
    parse = importlib.import_module("reconciler.format.yaml_parser").parse_document
    return parse


def split_source_lines(raw: bytes) -> Sequence[str]:
    """Return the lines of a file to show; none if it is longer than a file may be."""
    return raw.decode("utf-8", "replace").splitlines() if len(raw) <= MAX_BYTES else ()
