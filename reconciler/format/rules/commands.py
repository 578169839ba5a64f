"""The expressions in commands and arguments (reference, sections 3 and 8).

azure-ai-ml checks only the command of a component and the arguments of Spark. In other commands it leaves an unknown
expression in the text, and the run fails. These rules check every command against the declared inputs and outputs; the
command of a node whose component is a file, against what that file declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.expressions import (
    Expression,
    MalformedExpression,
    expression_span,
    find_lookalikes,
    malformed_expression_diagnostic,
    may_have_lookalikes,
    parse_expressions,
)
from reconciler.format.pointers import Pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.components import ComponentInterface, component_interface
from reconciler.format.rules.spec_nodes import SpecNode, as_mapping, executable_nodes, iter_strings
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json, Spec

_IO_GROUPS = ("inputs", "outputs")
_EXPRESSION_GROUPS = (*_IO_GROUPS, "search_space")
# The fields of a declared input or output that is not a group.
_IO_FIELDS = frozenset({"path", "type", "mode", "default"})
# Expressions of one word that are expanded when a job runs (section 3, output paths).
_MACROS = frozenset({"name", "output_name", "default_datastore", "version", "display_name"})
_COMMAND_FIELDS = (("command",), ("args",), ("input_data",), ("task", "program_arguments"))


class _ExpressionScope(NamedTuple):
    """The names that a command can use; ``is_component`` if azure-ai-ml checks every expression in the command."""

    declared: Mapping[str, Spec]
    is_component: bool


@dataclass(frozen=True, slots=True)
class CommandExpressionRule:
    """The rule that commands use declared names only; ``is_component`` if the file is a component, not a job."""

    is_component: bool = False

    def __call__(self, context: RuleContext) -> Iterator[Diagnostic]:
        """Yield undeclared and malformed expressions in commands."""
        has_lookalikes = may_have_lookalikes(context.document.text)
        for node in executable_nodes(context):
            for keys in _COMMAND_FIELDS:
                text, pointer = _command_text(node, keys) if keys[0] in node.spec else ("", ())
                if "${{" in text or "$[[" in text:
                    yield from self._check_expressions(context, node, parse_expressions(text, pointer))
                if has_lookalikes:
                    yield from _check_lookalikes(context, text, pointer, with_any_name=True)
            for group in _IO_GROUPS if has_lookalikes else ():
                for pointer, text in iter_strings(node.spec.get(group), node.child_pointer(group)):
                    yield from _check_lookalikes(context, text, pointer, with_any_name=False)

    def _check_expressions(
        self, context: RuleContext, node: SpecNode, expressions: Iterable[Expression | MalformedExpression]
    ) -> Iterator[Diagnostic]:
        is_component = (self.is_component and not node.pointer) or node.pointer[-1:] == ("component",)
        scope = _build_scope(context, node, is_component=is_component)
        for expression in expressions:
            if isinstance(expression, MalformedExpression):
                yield malformed_expression_diagnostic(context, expression)
            elif scope is not None:
                yield from _check_expression(context, expression, scope)


def _check_lookalikes(
    context: RuleContext, text: str, pointer: Pointer, *, with_any_name: bool
) -> Iterator[Diagnostic]:
    for lookalike in find_lookalikes(text, pointer, with_any_name=with_any_name):
        yield malformed_expression_diagnostic(context, lookalike)


def _command_text(node: SpecNode, keys: tuple[str, ...]) -> tuple[str, Pointer]:
    value: Json = node.spec
    for key in keys:
        value = as_mapping(value).get(key)
    return (value if isinstance(value, str) else "", node.child_pointer(*keys))


def _build_scope(context: RuleContext, node: SpecNode, *, is_component: bool) -> _ExpressionScope | None:
    """Return the names that the command of a node can use; None if its component cannot be read."""
    spec = node.spec
    if isinstance(spec.get("component"), str):
        interface = component_interface(context, node)
        return (
            _ExpressionScope({group: _declared_io(spec, interface, group) for group in _IO_GROUPS}, is_component=False)
            if interface
            else None
        )
    if isinstance(spec.get("trial"), str):
        return None
    declared = {group: as_mapping(spec.get(group)) for group in _EXPRESSION_GROUPS}
    if node.pointer[-1:] == ("trial",):
        enclosing = _enclosing_mapping(context.spec, node.pointer)
        search_space = as_mapping(enclosing.get("search_space"))
        inputs = {**search_space, **as_mapping(enclosing.get("inputs")), **declared["inputs"]}
        outputs = {**as_mapping(enclosing.get("outputs")), **declared["outputs"]}
        return _ExpressionScope(
            {"inputs": inputs, "outputs": outputs, "search_space": search_space}, is_component=False
        )
    return _ExpressionScope(declared, is_component=is_component)


def _declared_io(spec: Spec, interface: ComponentInterface, group: str) -> Spec:
    """Return the inputs or outputs that a node can use: those of its component's file, and its own."""
    return {**as_mapping(interface.node.spec.get(group)), **as_mapping(spec.get(group))}


def _enclosing_mapping(spec: Json, pointer: Pointer) -> Spec:
    for key in pointer[:-1]:
        spec = as_mapping(spec).get(str(key))
    return as_mapping(spec)


def _check_expression(context: RuleContext, expression: Expression, scope: _ExpressionScope) -> Iterator[Diagnostic]:
    group, *rest = expression.path
    if group in scope.declared:
        if not rest or _is_declared(scope.declared[group], rest):
            return
        name = ".".join(rest)
        message = f"{expression} refers to {name}, which is not declared under {group}:"
        hint = did_you_mean(name, map(str, scope.declared[group])) or f"declare it under {group}:"
        yield Diagnostic("expression-undeclared", message, expression_span(context, expression), hint)
    elif rest or group not in _MACROS:
        message = f"{expression} is not available in a command"
        hint = did_you_mean(group.lower(), _EXPRESSION_GROUPS) or "use ${{inputs.NAME}} or ${{outputs.NAME}}"
        severity = (
            Severity.ERROR if scope.is_component or group in {"parent", *_EXPRESSION_GROUPS} else Severity.WARNING
        )
        yield Diagnostic("expression-unknown", message, expression_span(context, expression), hint, severity)


def _is_declared(declared: Spec, names: list[str]) -> bool:
    """Return True if dotted names lead to an input or output, to an input of a group, or to a field of one of these."""
    if ".".join(names) in declared:
        return True
    if names[0] not in declared:
        return False
    child, rest = as_mapping(declared[names[0]]), names[1:]
    if not rest or (len(rest) == 1 and rest[0] in _IO_FIELDS):
        return True
    return _is_declared(as_mapping(child.get("values")) or child, rest)


def check_optional_inputs(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield optional inputs used outside $[[ ]]: if one is omitted, its expression stays in the command (section 3)."""
    for node in executable_nodes(context):
        text, pointer = _command_text(node, ("command",))
        inputs = as_mapping(node.spec.get("inputs"))
        if not any(as_mapping(declared_input).get("optional") is True for declared_input in inputs.values()):
            continue
        for expression in parse_expressions(text, pointer):
            if isinstance(expression, Expression) and not expression.optional and len(expression.path) > 1:
                declared = as_mapping(inputs.get(expression.path[1])) if expression.path[0] == "inputs" else {}
                if declared.get("optional") is True and declared.get("default") is None:
                    message = f"{expression} is optional, but the command uses it outside $[[ ]]"
                    hint = f"write $[[--{expression.path[1]} {expression}]], which is omitted with the input"
                    yield Diagnostic(
                        "optional-needed", message, expression_span(context, expression), hint, Severity.WARNING
                    )


COMPONENT_RULES: tuple[Rule, ...] = (CommandExpressionRule(is_component=True), check_optional_inputs)
JOB_RULES: tuple[Rule, ...] = (CommandExpressionRule(),)
