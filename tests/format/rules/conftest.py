"""Fixtures that run rules on a text with files in memory."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import pytest

from reconciler.diagnostics import Severity
from reconciler.format.rule_context import RuleContext
from reconciler.format.yaml import parse_yaml

_SEVERITY_SUFFIX = {Severity.ERROR: "", Severity.WARNING: " warning", Severity.NOTE: " note"}


@dataclass(frozen=True)
class MemoryFiles:
    """A file reader over texts by path."""

    texts: dict[str, str]

    def read_file(self, path):
        return self.texts[path].encode()

    def exists(self, path):
        return any(name == path or name.startswith(f"{path}/") for name in self.texts)

    def display_path(self, path):
        return path


def _diagnose(rules, text, files=None, path="jobs/it.yml"):
    source = textwrap.dedent(text)
    texts = {name: textwrap.dedent(content) for name, content in (files or {}).items()}
    document, diagnostics = parse_yaml(path, source.encode())
    assert diagnostics == ()
    context = RuleContext(path, document, document.data, MemoryFiles({path: source, **texts}))
    return [diagnostic for rule in rules for diagnostic in rule(context)]


@pytest.fixture
def diagnose():
    """Return a function that returns the diagnostics of rules for a text at ``path``, among other files."""
    return _diagnose


@pytest.fixture
def check():
    """Return a function like ``diagnose`` that returns "code line:column", with the severity if it is not an error."""

    def check(rules, text, files=None, path="jobs/it.yml"):
        return [
            f"{diagnostic.code} {diagnostic.span.line}:{diagnostic.span.column}{_SEVERITY_SUFFIX[diagnostic.severity]}"
            for diagnostic in _diagnose(rules, text, files, path)
        ]

    return check
