"""Commands and arguments against the inputs and outputs that they name: reference, sections 3 and 8.

azure-ai-ml checks the command of a component and the arguments of Spark only; in other commands it leaves the
expression in the text, and the run fails with it. So here all of them are held to what is declared; those of a node
whose component is a file, to what that file declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.components import ComponentInterface, component_interface
from reconciler.format.rules.expressions import (
    Expression,
    MalformedExpression,
    expression_span,
    malformed_expression_diagnostic,
    parse_expressions,
)
from reconciler.format.rules.spec_nodes import Pointer, SpecNode, as_mapping, executable_nodes
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json, Spec

_IO_GROUPS = ("inputs", "outputs")
_EXPRESSION_GROUPS = (*_IO_GROUPS, "search_space")
# What stands below a declared input or output that is no group: fields of its own.
_IO_FIELDS = frozenset({"path", "type", "mode", "default"})
# Expressions of one word that runs fill in (section 3, output paths).
_MACROS = frozenset({"name", "output_name", "default_datastore", "version", "display_name"})
_COMMAND_FIELDS = (("command",), ("args",), ("input_data",), ("task", "program_arguments"))


@dataclass(frozen=True, slots=True)
class _ExpressionScope:
    """What a command can name. ``component`` says that azure-ai-ml looks at every expression in it."""

    declared: Mapping[str, Spec]
    is_component: bool


@dataclass(frozen=True, slots=True)
class CommandExpressionRule:
    """The rule that commands name what is declared; ``component`` says that the file is one, and no job."""

    is_component: bool = False

    def __call__(self, subject: RuleContext) -> Iterator[Diagnostic]:
        """Yield expressions in commands that name nothing declared, and what only looks like an expression."""
        for part in executable_nodes(subject):
            for keys in _COMMAND_FIELDS:
                text, pointer = _command_text(part, keys) if keys[0] in part.spec else ("", ())
                if "${{" in text or "$[[" in text:
                    yield from self._check_expressions(subject, part, parse_expressions(text, pointer))

    def _check_expressions(
        self, subject: RuleContext, part: SpecNode, texts: Iterable[Expression | MalformedExpression]
    ) -> Iterator[Diagnostic]:
        component = self.is_component and not part.pointer
        scope = _build_scope(subject, part, component=component or part.pointer[-1:] == ("component",))
        for found in texts:
            if isinstance(found, MalformedExpression):
                yield malformed_expression_diagnostic(subject, found)
            elif scope is not None:
                yield from _check_expression(subject, found, scope)


def _command_text(part: SpecNode, keys: tuple[str, ...]) -> tuple[str, Pointer]:
    value: Json = part.spec
    for key in keys:
        value = as_mapping(value).get(key)
    return (value if isinstance(value, str) else "", part.child_pointer(*keys))


def _build_scope(subject: RuleContext, part: SpecNode, *, component: bool) -> _ExpressionScope | None:
    """Return what a part's command can name; None where a component that stands elsewhere decides."""
    spec = part.spec
    if isinstance(spec.get("component"), str):
        known = component_interface(subject, part)
        return (
            _ExpressionScope({each: _declared_io(spec, known, each) for each in _IO_GROUPS}, is_component=False)
            if known
            else None
        )
    if isinstance(spec.get("trial"), str):
        return None
    declared = {group: as_mapping(spec.get(group)) for group in _EXPRESSION_GROUPS}
    if part.pointer[-1:] == ("trial",):
        around = _enclosing_mapping(subject.spec, part.pointer)
        space = as_mapping(around.get("search_space"))
        inputs = {**space, **as_mapping(around.get("inputs")), **declared["inputs"]}
        outputs = {**as_mapping(around.get("outputs")), **declared["outputs"]}
        return _ExpressionScope({"inputs": inputs, "outputs": outputs, "search_space": space}, is_component=False)
    return _ExpressionScope(declared, is_component=component)


def _declared_io(spec: Spec, known: ComponentInterface, group: str) -> Spec:
    """Return what a node can name of a group: what the file of its component declares, and what it gives itself."""
    return {**as_mapping(known.node.spec.get(group)), **as_mapping(spec.get(group))}


def _enclosing_mapping(spec: Json, pointer: Pointer) -> Spec:
    for key in pointer[:-1]:
        spec = as_mapping(spec).get(str(key))
    return as_mapping(spec)


def _check_expression(subject: RuleContext, found: Expression, scope: _ExpressionScope) -> Iterator[Diagnostic]:
    group, *rest = found.path
    if group in scope.declared:
        if not rest or _is_declared(scope.declared[group], rest):
            return
        name = ".".join(rest)
        message = f"{found} names {name}, which {group} does not declare"
        hint = did_you_mean(name, map(str, scope.declared[group])) or f"declare it under {group}:"
        yield Diagnostic("expression-undeclared", message, expression_span(subject, found), hint)
    elif rest or group not in _MACROS:
        message = f"{found} means nothing in a command"
        hint = did_you_mean(group.lower(), _EXPRESSION_GROUPS) or "it can name ${{inputs.NAME}} and ${{outputs.NAME}}"
        severity = (
            Severity.ERROR if scope.is_component or group in {"parent", *_EXPRESSION_GROUPS} else Severity.WARNING
        )
        yield Diagnostic("expression-unknown", message, expression_span(subject, found), hint, severity)


def _is_declared(declared: Spec, names: list[str]) -> bool:
    """Tell whether dotted names lead to something declared, an input of a group or a field of one included."""
    if ".".join(names) in declared:
        return True
    if names[0] not in declared:
        return False
    below, rest = as_mapping(declared[names[0]]), names[1:]
    if not rest or (len(rest) == 1 and rest[0] in _IO_FIELDS):
        return True
    return _is_declared(as_mapping(below.get("values")) or below, rest)


def check_optional_inputs(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield optional inputs used outside $[[ ]]: left out, their expression stays in the command (section 3)."""
    for part in executable_nodes(subject):
        text, pointer = _command_text(part, ("command",))
        inputs = as_mapping(part.spec.get("inputs"))
        if not any(as_mapping(each).get("optional") is True for each in inputs.values()):
            continue
        for found in parse_expressions(text, pointer):
            if isinstance(found, Expression) and not found.optional and len(found.path) > 1:
                declared = as_mapping(inputs.get(found.path[1])) if found.path[0] == "inputs" else {}
                if declared.get("optional") is True and declared.get("default") is None:
                    message = f"{found} is optional, but the command needs it"
                    hint = f"write $[[--{found.path[1]} {found}]], which is left out with the input"
                    yield Diagnostic(
                        "optional-needed", message, expression_span(subject, found), hint, Severity.WARNING
                    )


COMPONENT_RULES: tuple[Rule, ...] = (CommandExpressionRule(is_component=True), check_optional_inputs)
JOB_RULES: tuple[Rule, ...] = (CommandExpressionRule(),)
