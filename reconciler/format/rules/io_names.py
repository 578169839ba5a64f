"""Names of inputs and outputs: reference, section 3 (names)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.pointers import join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import as_mapping

_IO_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*(?:\.[a-zA-Z_][a-zA-Z0-9_]*)*")
_IO_GROUPS = ("inputs", "outputs")
_HINT = "use letters, digits and _, not beginning with a digit"


def _check_io_names(subject: RuleContext, severity: Severity) -> Iterator[Diagnostic]:
    for group in _IO_GROUPS:
        for name in as_mapping(subject.spec.get(group)):
            if not _IO_NAME.fullmatch(str(name)):
                place = subject.document.key_span(join_pointer(group, name))
                message = f"an {group[:-1]} cannot be called {name}"
                yield Diagnostic("port-name", message, place, _HINT, severity)


def check_component_io_names(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield names that azure-ai-ml refuses in a component."""
    yield from _check_io_names(subject, Severity.ERROR)


def check_job_io_names(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield the same of a job, where azure-ai-ml takes them: expressions cannot name them."""
    yield from _check_io_names(subject, Severity.WARNING)


def check_io_name_case(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield inputs, or outputs, of a component that differ in case only, as azure-ai-ml does."""
    for group in _IO_GROUPS:
        seen: dict[str, str] = {}
        for name in as_mapping(subject.spec.get(group)):
            first = seen.setdefault(str(name).lower(), name)
            if first != name:
                message = f"{name} differs from {first} in case only"
                yield subject.key_diagnostic("port-twice", message, group, name, hint="give one of them another name")


COMPONENT_RULES: tuple[Rule, ...] = (check_component_io_names, check_io_name_case)
JOB_RULES: tuple[Rule, ...] = (check_job_io_names,)
