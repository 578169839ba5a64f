"""Spark: where it runs, and whether its executors add up. Reference, section 8; azure-ai-ml refuses the same."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.graph import PipelineCheck, PipelineGraph
from reconciler.format.rules.spec_nodes import SpecNode, as_integer, as_lower_text, as_mapping
from reconciler.model import Json, Spec

_SPARK_TYPE = "spark"
_CONF = "conf"
_REQUIRED_CONF = ("spark.driver.cores", "spark.driver.memory", "spark.executor.cores", "spark.executor.memory")
_EXECUTOR_INSTANCES = "spark.executor.instances"
_DYNAMIC_ALLOCATION = "spark.dynamicAllocation.enabled"
_MIN_EXECUTORS, _MAX_EXECUTORS = "spark.dynamicAllocation.minExecutors", "spark.dynamicAllocation.maxExecutors"


def _spark_nodes(graph: PipelineGraph) -> Iterator[tuple[str, SpecNode]]:
    yield from ((name, node) for name, node in graph.nodes.items() if node.type == _SPARK_TYPE)


def _check_compute_or_resources(subject: RuleContext, part: SpecNode) -> Iterator[Diagnostic]:
    compute, resources = part.spec.get("compute"), part.spec.get("resources")
    if compute is None and resources is None:
        hint = "add resources: with instance_type and runtime_version, or compute:"
        yield subject.key_diagnostic(
            "spark-compute", "Spark has neither compute nor resources", *part.pointer, hint=hint
        )
    elif compute and resources:
        message = "Spark has both compute and resources"
        yield subject.key_diagnostic(
            "spark-compute", message, *part.child_pointer("resources"), hint="remove one of them"
        )


def _check_executor_conf(subject: RuleContext, part: SpecNode, conf: Spec) -> Iterator[Diagnostic]:
    dynamic = as_lower_text(str(conf.get(_DYNAMIC_ALLOCATION))) == "true"
    needed = (*_REQUIRED_CONF, _MIN_EXECUTORS, _MAX_EXECUTORS) if dynamic else (*_REQUIRED_CONF, _EXECUTOR_INSTANCES)
    at = part.child_pointer(_CONF) if _CONF in part.spec else part.pointer
    missing = [key for key in needed if conf.get(key) is None and _conf_field_value(part, key) is None]
    if missing:
        why = f" where {_DYNAMIC_ALLOCATION} is true" if dynamic else ""
        message = f"Spark needs {', '.join(missing)}{why}"
        yield subject.key_diagnostic("spark-conf", message, *at, hint="add them under conf:")
    elif dynamic:
        yield from _check_executor_bounds(subject, at, conf)
    elif any(conf.get(key) is not None for key in (_MIN_EXECUTORS, _MAX_EXECUTORS)):
        key = _MIN_EXECUTORS if conf.get(_MIN_EXECUTORS) is not None else _MAX_EXECUTORS
        message = f"{key} means nothing without {_DYNAMIC_ALLOCATION}"
        yield subject.key_diagnostic(
            "spark-conf", message, *at, key, hint=f"add {_DYNAMIC_ALLOCATION}: true, or remove it"
        )


def _conf_field_value(part: SpecNode, key: str) -> Json:
    """Return the field that says the same as a key of conf: driver_cores for spark.driver.cores."""
    return part.spec.get(key.removeprefix("spark.").replace(".", "_"))


def _check_executor_bounds(subject: RuleContext, at: tuple[str | int, ...], conf: Spec) -> Iterator[Diagnostic]:
    least, most, fixed = (as_integer(conf.get(key)) for key in (_MIN_EXECUTORS, _MAX_EXECUTORS, _EXECUTOR_INSTANCES))
    if least is None or most is None:
        return
    if least < 1:
        yield subject.value_diagnostic(
            "spark-conf", f"{_MIN_EXECUTORS} must be at least 1, not {least}", *at, _MIN_EXECUTORS
        )
    elif least > most:
        yield subject.value_diagnostic(
            "spark-conf", f"{_MIN_EXECUTORS} {least} is more than {_MAX_EXECUTORS} {most}", *at, _MIN_EXECUTORS
        )
    elif fixed and not least <= fixed <= most:
        yield subject.value_diagnostic(
            "spark-conf", f"{_EXECUTOR_INSTANCES} {fixed} is not between {least} and {most}", *at, _EXECUTOR_INSTANCES
        )


def check_spark_job(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield a Spark job with both compute and resources or neither, or with executors that do not add up."""
    root = SpecNode((), subject.spec)
    if root.type == _SPARK_TYPE:
        yield from _check_compute_or_resources(subject, root)
        yield from _check_executor_conf(subject, root, as_mapping(root.spec.get(_CONF)))


def check_spark_node_compute(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield nodes that run Spark with both compute and resources, or neither."""
    for _, node in _spark_nodes(graph):
        yield from _check_compute_or_resources(graph.context, node)


def check_spark_node_executors(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield nodes whose executors are not given, or do not add up; their component's settings count."""
    for name, node in _spark_nodes(graph):
        own, known = as_mapping(node.spec.get(_CONF)), graph.interfaces.get(name)
        if known is not None:
            yield from _check_executor_conf(graph.context, node, {**as_mapping(known.node.spec.get(_CONF)), **own})
        elif node.spec.get("component") is None:
            yield from _check_executor_conf(graph.context, node, own)


JOB_RULES: tuple[Rule, ...] = (check_spark_job,)
NODE_CHECKS: tuple[PipelineCheck, ...] = (check_spark_node_compute, check_spark_node_executors)
