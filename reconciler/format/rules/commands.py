"""Commands and arguments against the inputs and outputs that they name: reference, sections 3 and 8.

azure-ai-ml checks the command of a component and the arguments of Spark only; in other commands it leaves the
expression in the text, and the run fails with it. So here all of them are held to what is declared; those of a node
whose component is a file, to what that file declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.rules.components import Interface, interface
from reconciler.format.rules.expressions import Expression, Malformed, misformed, parse, place
from reconciler.format.rules.parts import Part, Pointer, mapping, works
from reconciler.format.subject import Rule, Subject
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json, Spec

_PORTS = ("inputs", "outputs")
_GROUPS = (*_PORTS, "search_space")
# What stands below a declared input or output that is no group: fields of its own.
_FIELDS = frozenset({"path", "type", "mode", "default"})
# Expressions of one word that runs fill in (section 3, output paths).
_MACROS = frozenset({"name", "output_name", "default_datastore", "version", "display_name"})
_TEXTS = (("command",), ("args",), ("input_data",), ("task", "program_arguments"))


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a command can name. ``component`` says that azure-ai-ml looks at every expression in it."""

    declared: Mapping[str, Spec]
    component: bool


@dataclass(frozen=True, slots=True)
class Declared:
    """The rule that commands name what is declared; ``component`` says that the file is one, and no job."""

    component: bool = False

    def __call__(self, subject: Subject) -> Iterator[Diagnostic]:
        """Yield expressions in commands that name nothing declared, and what only looks like an expression."""
        for part in works(subject):
            for keys in _TEXTS:
                text, pointer = _text(part, keys) if keys[0] in part.spec else ("", ())
                if "${{" in text or "$[[" in text:
                    yield from self._in(subject, part, parse(text, pointer))

    def _in(self, subject: Subject, part: Part, texts: Iterable[Expression | Malformed]) -> Iterator[Diagnostic]:
        component = self.component and not part.pointer
        scope = _scope(subject, part, component=component or part.pointer[-1:] == ("component",))
        for found in texts:
            if isinstance(found, Malformed):
                yield misformed(subject, found)
            elif scope is not None:
                yield from _judged(subject, found, scope)


def _text(part: Part, keys: tuple[str, ...]) -> tuple[str, Pointer]:
    value: Json = part.spec
    for key in keys:
        value = mapping(value).get(key)
    return (value if isinstance(value, str) else "", part.below(*keys))


def _scope(subject: Subject, part: Part, *, component: bool) -> _Scope | None:
    """Return what a part's command can name; None where a component that stands elsewhere decides."""
    spec = part.spec
    if isinstance(spec.get("component"), str):
        known = interface(subject, part)
        return _Scope({each: _ports(spec, known, each) for each in _PORTS}, component=False) if known else None
    if isinstance(spec.get("trial"), str):
        return None
    declared = {group: mapping(spec.get(group)) for group in _GROUPS}
    if part.pointer[-1:] == ("trial",):
        around = _around(subject.spec, part.pointer)
        space = mapping(around.get("search_space"))
        inputs = {**space, **mapping(around.get("inputs")), **declared["inputs"]}
        outputs = {**mapping(around.get("outputs")), **declared["outputs"]}
        return _Scope({"inputs": inputs, "outputs": outputs, "search_space": space}, component=False)
    return _Scope(declared, component=component)


def _ports(spec: Spec, known: Interface, group: str) -> Spec:
    """Return what a node can name of a group: what the file of its component declares, and what it gives itself."""
    return {**mapping(known.part.spec.get(group)), **mapping(spec.get(group))}


def _around(spec: Json, pointer: Pointer) -> Spec:
    for key in pointer[:-1]:
        spec = mapping(spec).get(str(key))
    return mapping(spec)


def _judged(subject: Subject, found: Expression, scope: _Scope) -> Iterator[Diagnostic]:
    group, *rest = found.path
    if group in scope.declared:
        if not rest or _declares(scope.declared[group], rest):
            return
        name = ".".join(rest)
        message = f"{found} names {name}, which {group} does not declare"
        hint = did_you_mean(name, map(str, scope.declared[group])) or f"declare it under {group}:"
        yield Diagnostic("expression-undeclared", message, place(subject, found), hint)
    elif rest or group not in _MACROS:
        message = f"{found} means nothing in a command"
        hint = did_you_mean(group.lower(), _GROUPS) or "it can name ${{inputs.NAME}} and ${{outputs.NAME}}"
        severity = Severity.ERROR if scope.component or group in {"parent", *_GROUPS} else Severity.WARNING
        yield Diagnostic("expression-unknown", message, place(subject, found), hint, severity)


def _declares(declared: Spec, names: list[str]) -> bool:
    """Tell whether dotted names lead to something declared, an input of a group or a field of one included."""
    if ".".join(names) in declared:
        return True
    if names[0] not in declared:
        return False
    below, rest = mapping(declared[names[0]]), names[1:]
    if not rest or (len(rest) == 1 and rest[0] in _FIELDS):
        return True
    return _declares(mapping(below.get("values")) or below, rest)


def optional_needed(subject: Subject) -> Iterator[Diagnostic]:
    """Yield optional inputs used outside $[[ ]]: left out, their expression stays in the command (section 3)."""
    for part in works(subject):
        text, pointer = _text(part, ("command",))
        inputs = mapping(part.spec.get("inputs"))
        if not any(mapping(each).get("optional") is True for each in inputs.values()):
            continue
        for found in parse(text, pointer):
            if isinstance(found, Expression) and not found.optional and len(found.path) > 1:
                declared = mapping(inputs.get(found.path[1])) if found.path[0] == "inputs" else {}
                if declared.get("optional") is True and declared.get("default") is None:
                    message = f"{found} is optional, but the command needs it"
                    hint = f"write $[[--{found.path[1]} {found}]], which is left out with the input"
                    yield Diagnostic("optional-needed", message, place(subject, found), hint, Severity.WARNING)


COMPONENT_RULES: tuple[Rule, ...] = (Declared(component=True), optional_needed)
JOB_RULES: tuple[Rule, ...] = (Declared(),)
