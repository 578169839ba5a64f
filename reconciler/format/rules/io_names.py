"""The names of inputs and outputs (reference, section 3, names)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.pointers import join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import as_mapping, executable_nodes

_IO_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*(?:\.[a-zA-Z_][a-zA-Z0-9_]*)*")
_FILE_NAME = re.compile(r"(?!\.{1,2}\Z)[^/\x00-\x1f\x7f]{1,200}")  # a run has a folder of this name
_IO_GROUPS = ("inputs", "outputs")
_HINT = "use up to 200 letters, digits and _, not beginning with a digit"


def _check_io_names(context: RuleContext, severity: Severity) -> Iterator[Diagnostic]:
    for node, group in product(executable_nodes(context), _IO_GROUPS):
        for name in as_mapping(node.spec.get(group)):
            is_file_name = _FILE_NAME.fullmatch(str(name)) is not None
            if not (is_file_name and _IO_NAME.fullmatch(str(name))):
                message = f"{name} is not a valid name for an {group[:-1]}"
                span = context.document.key_span(join_pointer(*node.child_pointer(group, name)))
                yield Diagnostic("port-name", message, span, _HINT, severity if is_file_name else Severity.ERROR)


def check_component_io_names(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield names of inputs and outputs that azure-ai-ml rejects in a component."""
    yield from _check_io_names(context, Severity.ERROR)


def check_job_io_names(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield the same names in a job: azure-ai-ml accepts them, but expressions cannot refer to them.

    Those that no folder can have are errors.
    """
    yield from _check_io_names(context, Severity.WARNING)


def check_io_name_case(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield inputs, or outputs, of a component that differ only in case, as azure-ai-ml does."""
    for group in _IO_GROUPS:
        first_names: dict[str, str] = {}
        for name in as_mapping(context.spec.get(group)):
            first = first_names.setdefault(str(name).lower(), name)
            if first != name:
                message = f"{name} differs from {first} only in case"
                yield context.key_diagnostic("port-twice", message, group, name, hint="rename one of them")


COMPONENT_RULES: tuple[Rule, ...] = (check_component_io_names, check_io_name_case)
JOB_RULES: tuple[Rule, ...] = (check_job_io_names,)
