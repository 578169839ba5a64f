"""What a pipeline runs before and after all else: ``on_init`` and ``on_finalize`` of its settings.

azure-ai-ml keeps both out of its schema and holds a pipeline job to them all the same: each names a node, another
one than the other does, that is bound to no node and no node to it; between them something is left to be run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.format.rules.components import interface
from reconciler.format.rules.parts import Part, mapping
from reconciler.format.rules.pipelines import mentioned, nodes
from reconciler.format.subject import Rule, Subject
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json, Spec

_SETTINGS = "settings"
_HOOKS = ("on_init", "on_finalize")
_SHOWN = 10  # nodes named in a hint


def of_pipeline(subject: Subject) -> Iterator[Diagnostic]:
    """Yield what azure-ai-ml refuses in the hooks of a pipeline job."""
    hooks = _hooks(subject.spec)
    if not hooks:
        return
    found = _nodes(subject)
    if len(hooks) > 1 and hooks["on_init"] == hooks["on_finalize"]:
        message = f"{hooks['on_init']} cannot be both on_init and on_finalize"
        yield _at(subject, "on_finalize", message, "let each name a node of its own")
    for hook, name in hooks.items():
        if not isinstance(name, str) or name not in found:
            yield _at(subject, hook, f"{hook} names {name}, and the pipeline has no such node", _hint(name, found))
        elif bond := _bond(name, found):
            hint = f"what {hook} names runs by itself: take the binding out, or name another node"
            yield _at(subject, hook, f"{name} cannot be {hook}, because {bond}", hint)
    if found and not [name for name in found if name not in hooks.values()]:
        message = "the pipeline has nothing to run but on_init and on_finalize"
        yield subject.at_key("hook-node", message, _SETTINGS, next(iter(hooks)), hint="add the node that they are for")


def of_nodes(subject: Subject) -> Iterator[Diagnostic]:
    """Yield hooks of a pipeline within, which only the pipeline job itself can have."""
    for name, node in mapping(subject.spec.get("jobs")).items():
        for hook in _hooks(mapping(node)) if _SETTINGS in mapping(node) else ():
            message = f"{hook} cannot be set for {name}, which is a pipeline within this one"
            hint = "set it under settings: of the pipeline job itself, for a node of that"
            yield subject.at_key("hook-node", message, "jobs", name, _SETTINGS, hook, hint=hint)


def _hooks(spec: Spec) -> Mapping[str, Json]:
    settings = mapping(spec.get(_SETTINGS))
    return {hook: settings[hook] for hook in _HOOKS if settings.get(hook) is not None}


def _nodes(subject: Subject) -> Mapping[str, Part]:
    """Return the nodes of a pipeline by name: its own, or those of the file that it runs; none of a reference."""
    whole = Part((), subject.spec)
    known = interface(subject, whole)
    return dict(nodes(known.part if known else whole))


def _bond(name: str, found: Mapping[str, Part]) -> str:
    """Say what ties a node to another one; "" where nothing does."""
    for other, node in found.items():
        for target, _, _ in mentioned(node):
            if name in (other, target) and target in found:
                return f"{other} reads from {target}" if other != target else "it reads from itself"
    return ""


def _at(subject: Subject, hook: str, message: str, hint: str) -> Diagnostic:
    return subject.at_value("hook-node", message, _SETTINGS, hook, hint=hint)


def _hint(name: Json, found: Mapping[str, Part]) -> str:
    if not found:
        return "the nodes of a component that is named by reference are not known: write the nodes under jobs:"
    return did_you_mean(str(name), found) or f"there is {', '.join(sorted(found)[:_SHOWN])}"


RULES: tuple[Rule, ...] = (of_pipeline, of_nodes)
