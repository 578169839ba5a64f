"""Names of inputs and outputs: reference, section 3 (names)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.pointers import join
from reconciler.format.rules.parts import mapping
from reconciler.format.subject import Rule, Subject

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*(?:\.[a-zA-Z_][a-zA-Z0-9_]*)*")
_GROUPS = ("inputs", "outputs")
_HINT = "use letters, digits and _, not beginning with a digit"


def _illegal(subject: Subject, severity: Severity) -> Iterator[Diagnostic]:
    for group in _GROUPS:
        for name in mapping(subject.spec.get(group)):
            if not _NAME.fullmatch(str(name)):
                place = subject.document.key(join(group, name))
                message = f"an {group[:-1]} cannot be called {name}"
                yield Diagnostic("port-name", message, place, _HINT, severity)


def of_component(subject: Subject) -> Iterator[Diagnostic]:
    """Yield names that azure-ai-ml refuses in a component."""
    yield from _illegal(subject, Severity.ERROR)


def of_job(subject: Subject) -> Iterator[Diagnostic]:
    """Yield the same of a job, where azure-ai-ml takes them: expressions cannot name them."""
    yield from _illegal(subject, Severity.WARNING)


def alike(subject: Subject) -> Iterator[Diagnostic]:
    """Yield inputs, or outputs, of a component that differ in case only, as azure-ai-ml does."""
    for group in _GROUPS:
        seen: dict[str, str] = {}
        for name in mapping(subject.spec.get(group)):
            first = seen.setdefault(str(name).lower(), name)
            if first != name:
                message = f"{name} differs from {first} in case only"
                yield subject.at_key("port-twice", message, group, name, hint="give one of them another name")


COMPONENT_RULES: tuple[Rule, ...] = (of_component, alike)
JOB_RULES: tuple[Rule, ...] = (of_job,)
