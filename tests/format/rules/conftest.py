"""What tests of rules share: files in memory, and what rules find in a text, as "code line:column"."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import pytest

from reconciler.diagnostics import Severity
from reconciler.format.rule_context import RuleContext
from reconciler.format.yaml import parse_yaml


@dataclass(frozen=True)
class MemoryFiles:
    """Files by path, held in memory."""

    held: dict[str, str]

    def read_file(self, path):
        return self.held[path].encode()

    def exists(self, path):
        return any(each == path or each.startswith(f"{path}/") for each in self.held)

    def display_path(self, path):
        return path


def diagnose(rules, text, files=None, path="jobs/it.yml"):
    """Return everything that rules find in a text; it stands at ``path``, among other files."""
    source = textwrap.dedent(text)
    held = {name: textwrap.dedent(file) for name, file in (files or {}).items()}
    document, problems = parse_yaml(path, source.encode())
    assert problems == ()
    subject = RuleContext(path, document, document.data, MemoryFiles({path: source, **held}))
    return [each for rule in rules for each in rule(subject)]


@pytest.fixture
def diagnostics():
    return diagnose


@pytest.fixture
def found():
    """Return a function: what is found as "code line:column", with the severity where that is no error."""

    def find(rules, text, files=None, path="jobs/it.yml"):
        found = diagnose(rules, text, files, path)
        marks = {Severity.ERROR: "", Severity.WARNING: " warning", Severity.NOTE: " note"}
        return [f"{each.code} {each.span.line}:{each.span.column}{marks[each.severity]}" for each in found]

    return find
