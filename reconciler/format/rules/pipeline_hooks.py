"""What a pipeline runs before and after all else: ``on_init`` and ``on_finalize`` of its settings.

azure-ai-ml keeps both out of its schema and holds a pipeline job to them all the same: each names a node, another
one than the other does, that is bound to no node and no node to it; between them something is left to be run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.components import component_interface
from reconciler.format.rules.pipelines import node_dependencies, pipeline_nodes
from reconciler.format.rules.spec_nodes import SpecNode, as_mapping
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json, Spec

_SETTINGS = "settings"
_HOOKS = ("on_init", "on_finalize")
_MAX_NODES_IN_HINT = 10  # nodes named in a hint


def check_pipeline_hooks(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield what azure-ai-ml refuses in the hooks of a pipeline job."""
    hooks = _declared_hooks(subject.spec)
    if not hooks:
        return
    found = _known_nodes(subject)
    if len(hooks) > 1 and hooks["on_init"] == hooks["on_finalize"]:
        message = f"{hooks['on_init']} cannot be both on_init and on_finalize"
        yield _hook_diagnostic(subject, "on_finalize", message, "let each name a node of its own")
    for hook, name in hooks.items():
        if not isinstance(name, str) or name not in found:
            yield _hook_diagnostic(
                subject, hook, f"{hook} names {name}, and the pipeline has no such node", _node_hint(name, found)
            )
        elif bond := _describe_dependency(name, found):
            hint = f"what {hook} names runs by itself: take the binding out, or name another node"
            yield _hook_diagnostic(subject, hook, f"{name} cannot be {hook}, because {bond}", hint)
    if found and not [name for name in found if name not in hooks.values()]:
        message = "the pipeline has nothing to run but on_init and on_finalize"
        yield subject.key_diagnostic(
            "hook-node", message, _SETTINGS, next(iter(hooks)), hint="add the node that they are for"
        )


def check_nested_hooks(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield hooks of a pipeline within, which only the pipeline job itself can have."""
    for name, node in as_mapping(subject.spec.get("jobs")).items():
        for hook in _declared_hooks(as_mapping(node)) if _SETTINGS in as_mapping(node) else ():
            message = f"{hook} cannot be set for {name}, which is a pipeline within this one"
            hint = "set it under settings: of the pipeline job itself, for a node of that"
            yield subject.key_diagnostic("hook-node", message, "jobs", name, _SETTINGS, hook, hint=hint)


def _declared_hooks(spec: Spec) -> Mapping[str, Json]:
    settings = as_mapping(spec.get(_SETTINGS))
    return {hook: settings[hook] for hook in _HOOKS if settings.get(hook) is not None}


def _known_nodes(subject: RuleContext) -> Mapping[str, SpecNode]:
    """Return the nodes of a pipeline by name: its own, or those of the file that it runs; none of a reference."""
    whole = SpecNode((), subject.spec)
    known = component_interface(subject, whole)
    return dict(pipeline_nodes(known.node if known else whole))


def _describe_dependency(name: str, found: Mapping[str, SpecNode]) -> str:
    """Say what ties a node to another one; "" where nothing does."""
    for other, node in found.items():
        for target, _, _ in node_dependencies(node):
            if name in (other, target) and target in found:
                return f"{other} reads from {target}" if other != target else "it reads from itself"
    return ""


def _hook_diagnostic(subject: RuleContext, hook: str, message: str, hint: str) -> Diagnostic:
    return subject.value_diagnostic("hook-node", message, _SETTINGS, hook, hint=hint)


def _node_hint(name: Json, found: Mapping[str, SpecNode]) -> str:
    if not found:
        return "the nodes of a component that is named by reference are not known: write the nodes under jobs:"
    return did_you_mean(str(name), found) or f"there is {', '.join(sorted(found)[:_MAX_NODES_IN_HINT])}"


RULES: tuple[Rule, ...] = (check_pipeline_hooks, check_nested_hooks)
