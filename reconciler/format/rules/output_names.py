"""The names and versions under which outputs of jobs are registered: those of models and data."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.names import (
    CONTAINER_NAME,
    NameRule,
    find_ambiguous_version,
    find_illegal_version,
)
from reconciler.format.rules.spec_nodes import executable_nodes

_EXPRESSION = "${{"
_RULE = NameRule(CONTAINER_NAME)


def check_output_names(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield names and versions of outputs that no model and no data can have."""
    for node in executable_nodes(context):
        for _, output in node.child("outputs").child_nodes():
            expressions = [field for field in ("name", "version") if _EXPRESSION in str(output.spec.get(field, ""))]
            for field in expressions:
                value, hint = (
                    output.spec[field],
                    f"write the {field} itself: what a job registers is known before it runs",
                )
                message = f"the {field} of an output cannot be an expression: {value}"
                yield context.value_diagnostic(f"{field}-illegal", message, *output.child_pointer(field), hint=hint)
            if not expressions and isinstance(output.spec.get("name"), str):
                yield from _RULE.check(context, output)
                yield from find_ambiguous_version(context, output)
                yield from find_illegal_version(context, output)


RULES: tuple[Rule, ...] = (check_output_names,)
