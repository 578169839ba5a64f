"""The compute and the executors of Spark jobs (reference, section 8); azure-ai-ml makes the same checks."""

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


def _check_compute_or_resources(context: RuleContext, node: SpecNode) -> Iterator[Diagnostic]:
    compute, resources = node.spec.get("compute"), node.spec.get("resources")
    if compute is None and resources is None:
        hint = "add resources: with instance_type and runtime_version, or compute:"
        yield context.key_diagnostic(
            "spark-compute", "a Spark job requires compute: or resources:", *node.pointer, hint=hint
        )
    elif compute and resources:
        message = "a Spark job cannot have both compute: and resources:"
        yield context.key_diagnostic(
            "spark-compute", message, *node.child_pointer("resources"), hint="remove one of them"
        )


def _check_executor_conf(context: RuleContext, node: SpecNode, conf: Spec) -> Iterator[Diagnostic]:
    dynamic = as_lower_text(str(conf.get(_DYNAMIC_ALLOCATION))) == "true"
    required = (*_REQUIRED_CONF, _MIN_EXECUTORS, _MAX_EXECUTORS) if dynamic else (*_REQUIRED_CONF, _EXECUTOR_INSTANCES)
    pointer = node.child_pointer(_CONF) if _CONF in node.spec else node.pointer
    missing = [key for key in required if conf.get(key) is None and _conf_field_value(node, key) is None]
    if missing:
        condition = f" (with {_DYNAMIC_ALLOCATION}: true)" if dynamic else ""
        message = f"missing Spark settings: {', '.join(missing)}{condition}"
        yield context.key_diagnostic("spark-conf", message, *pointer, hint="add them under conf:")
    elif dynamic:
        yield from _check_executor_bounds(context, pointer, conf)
    elif any(conf.get(key) is not None for key in (_MIN_EXECUTORS, _MAX_EXECUTORS)):
        key = _MIN_EXECUTORS if conf.get(_MIN_EXECUTORS) is not None else _MAX_EXECUTORS
        message = f"{key} has no effect without {_DYNAMIC_ALLOCATION}: true"
        yield context.key_diagnostic(
            "spark-conf", message, *pointer, key, hint=f"add {_DYNAMIC_ALLOCATION}: true, or remove {key}"
        )


def _conf_field_value(node: SpecNode, key: str) -> Json:
    """Return the field that is equivalent to a key of conf, such as driver_cores for spark.driver.cores."""
    return node.spec.get(key.removeprefix("spark.").replace(".", "_"))


def _check_executor_bounds(context: RuleContext, pointer: tuple[str | int, ...], conf: Spec) -> Iterator[Diagnostic]:
    minimum, maximum, fixed = (
        as_integer(conf.get(key)) for key in (_MIN_EXECUTORS, _MAX_EXECUTORS, _EXECUTOR_INSTANCES)
    )
    if minimum is None or maximum is None:
        return
    if minimum < 1:
        yield context.value_diagnostic(
            "spark-conf", f"{_MIN_EXECUTORS} must be at least 1, not {minimum}", *pointer, _MIN_EXECUTORS
        )
    elif minimum > maximum:
        yield context.value_diagnostic(
            "spark-conf",
            f"{_MIN_EXECUTORS} {minimum} is greater than {_MAX_EXECUTORS} {maximum}",
            *pointer,
            _MIN_EXECUTORS,
        )
    elif fixed and not minimum <= fixed <= maximum:
        yield context.value_diagnostic(
            "spark-conf",
            f"{_EXECUTOR_INSTANCES} {fixed} is not between {minimum} and {maximum}",
            *pointer,
            _EXECUTOR_INSTANCES,
        )


def check_spark_job(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield errors in the compute and the executors of a Spark job."""
    root = SpecNode((), context.spec)
    if root.type == _SPARK_TYPE:
        yield from _check_compute_or_resources(context, root)
        yield from _check_executor_conf(context, root, as_mapping(root.spec.get(_CONF)))


def check_spark_node_compute(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield Spark nodes with both compute and resources, or neither."""
    for _, node in _spark_nodes(graph):
        yield from _check_compute_or_resources(graph.context, node)


def check_spark_node_executors(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield Spark nodes with missing or inconsistent executors; the settings of their component count."""
    for name, node in _spark_nodes(graph):
        own, interface = as_mapping(node.spec.get(_CONF)), graph.interfaces.get(name)
        if interface is not None:
            yield from _check_executor_conf(graph.context, node, {**as_mapping(interface.node.spec.get(_CONF)), **own})
        elif node.spec.get("component") is None:
            yield from _check_executor_conf(graph.context, node, own)


JOB_RULES: tuple[Rule, ...] = (check_spark_job,)
NODE_CHECKS: tuple[PipelineCheck, ...] = (check_spark_node_compute, check_spark_node_executors)
