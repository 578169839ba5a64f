"""The environment variables of jobs, components and deployments: names and values that a process can have."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import as_mapping, executable_nodes

_VARIABLES = "environment_variables"
_NUL = "\0"


def check_variables(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield variables that no process can have."""
    for node in executable_nodes(context):
        for name, value in as_mapping(node.spec.get(_VARIABLES)).items():
            pointer = node.child_pointer(_VARIABLES, name)
            if not name or {"=", _NUL} & set(name):
                message = f"{name!r} cannot be the name of an environment variable"
                yield context.key_diagnostic("variable-impossible", message, *pointer, hint="use letters, digits and _")
            elif isinstance(value, str) and _NUL in value:
                message = f"the value of {name} has a NUL character, which no environment variable can have"
                yield context.value_diagnostic("variable-impossible", message, *pointer, hint="remove it")


RULES: tuple[Rule, ...] = (check_variables,)
