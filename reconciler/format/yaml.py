"""Parse YAML to JSON values, within limits.

The parser (``yaml_parser``, which imports PyYAML) is imported by name, with the first file: a command whose files are
all cached needs none.
"""

from __future__ import annotations

import importlib

from reconciler.diagnostics import Diagnostic
from reconciler.format.document import Document

MAX_BYTES = 5_000_000
MAX_DEPTH = 100
MAX_VALUES = 20_000  # with aliases expanded: a few aliases can expand to a billion values


def parse_yaml(path: str, raw: bytes) -> tuple[Document, tuple[Diagnostic, ...]]:
    """Return the document of a file and its diagnostics; ``data`` is None if it cannot be parsed."""
    result: tuple[Document, tuple[Diagnostic, ...]]
    result = importlib.import_module("reconciler.format.yaml_parser").parse_document(path, raw)
    return result
