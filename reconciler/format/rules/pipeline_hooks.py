"""The hooks of a pipeline: ``on_init`` and ``on_finalize`` of its settings.

They are not in the schema of azure-ai-ml, but it checks them: the two hooks name two different nodes of the pipeline,
which have no bindings to or from other nodes, and the pipeline has at least one more node.
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


def check_pipeline_hooks(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield what azure-ai-ml rejects in the hooks of a pipeline job."""
    hooks = _declared_hooks(context.spec)
    if not hooks:
        return
    nodes = _pipeline_nodes(context)
    if len(hooks) > 1 and hooks["on_init"] == hooks["on_finalize"]:
        message = f"on_init and on_finalize both name {hooks['on_init']}"
        yield _hook_diagnostic(context, "on_finalize", message, "name two different nodes")
    for hook, name in hooks.items():
        if not isinstance(name, str) or name not in nodes:
            yield _hook_diagnostic(
                context, hook, f"{hook} names {name}, but the pipeline has no such node", _node_hint(name, nodes)
            )
        elif dependency := _describe_dependency(name, nodes):
            hint = "remove the binding, or name another node"
            yield _hook_diagnostic(context, hook, f"{hook} cannot be {name}, because {dependency}", hint)
    if nodes and not [name for name in nodes if name not in hooks.values()]:
        message = "the pipeline has no nodes besides on_init and on_finalize"
        yield context.key_diagnostic("hook-node", message, _SETTINGS, next(iter(hooks)), hint="add another node")


def check_nested_hooks(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield hooks of nested pipelines; only the pipeline job can have hooks."""
    for name, node in as_mapping(context.spec.get("jobs")).items():
        for hook in _declared_hooks(as_mapping(node)) if _SETTINGS in as_mapping(node) else ():
            message = f"{hook} cannot be set for {name}, which is a nested pipeline"
            hint = "set it under settings: of the pipeline job"
            yield context.key_diagnostic("hook-node", message, "jobs", name, _SETTINGS, hook, hint=hint)


def _declared_hooks(spec: Spec) -> Mapping[str, Json]:
    settings = as_mapping(spec.get(_SETTINGS))
    return {hook: settings[hook] for hook in _HOOKS if settings.get(hook) is not None}


def _pipeline_nodes(context: RuleContext) -> Mapping[str, SpecNode]:
    """Return the nodes of a pipeline, or of its component's file, by name; none if the component is not readable."""
    root = SpecNode((), context.spec)
    interface = component_interface(context, root)
    return dict(pipeline_nodes(interface.node if interface else root))


def _describe_dependency(name: str, nodes: Mapping[str, SpecNode]) -> str:
    """Return a description of a binding between a node and another one; "" if there is none."""
    for source, node in nodes.items():
        for target, *_ in node_dependencies(node):
            if name in (source, target) and target in nodes:
                return f"{source} reads from {target}" if source != target else "it reads its own output"
    return ""


def _hook_diagnostic(context: RuleContext, hook: str, message: str, hint: str) -> Diagnostic:
    return context.value_diagnostic("hook-node", message, _SETTINGS, hook, hint=hint)


def _node_hint(name: Json, nodes: Mapping[str, SpecNode]) -> str:
    if not nodes:
        return "the nodes of a component that is given by reference are not known; write the nodes under jobs:"
    return did_you_mean(str(name), nodes) or f"available: {', '.join(sorted(nodes)[:_MAX_NODES_IN_HINT])}"


RULES: tuple[Rule, ...] = (check_pipeline_hooks, check_nested_hooks)
