"""Spark: where it runs, and whether its executors add up. Reference, section 8; azure-ai-ml refuses the same."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rules.graph import Check, Graph
from reconciler.format.rules.parts import Part, lower, mapping, whole
from reconciler.format.subject import Rule, Subject
from reconciler.model import Json, Spec

_TYPE = "spark"
_CONF = "conf"
_MANDATORY = ("spark.driver.cores", "spark.driver.memory", "spark.executor.cores", "spark.executor.memory")
_INSTANCES = "spark.executor.instances"
_DYNAMIC = "spark.dynamicAllocation.enabled"
_LEAST, _MOST = "spark.dynamicAllocation.minExecutors", "spark.dynamicAllocation.maxExecutors"


def _nodes(graph: Graph) -> Iterator[tuple[str, Part]]:
    yield from ((name, node) for name, node in graph.nodes.items() if node.type == _TYPE)


def _whereabouts(subject: Subject, part: Part) -> Iterator[Diagnostic]:
    compute, resources = part.spec.get("compute"), part.spec.get("resources")
    if compute is None and resources is None:
        hint = "add resources: with instance_type and runtime_version, or compute:"
        yield subject.at_key("spark-compute", "Spark has neither compute nor resources", *part.pointer, hint=hint)
    elif compute and resources:
        message = "Spark has both compute and resources"
        yield subject.at_key("spark-compute", message, *part.below("resources"), hint="remove one of them")


def _executors(subject: Subject, part: Part, conf: Spec) -> Iterator[Diagnostic]:
    dynamic = lower(str(conf.get(_DYNAMIC))) == "true"
    needed = (*_MANDATORY, _LEAST, _MOST) if dynamic else (*_MANDATORY, _INSTANCES)
    at = part.below(_CONF) if _CONF in part.spec else part.pointer
    missing = [key for key in needed if conf.get(key) is None and _plain(part, key) is None]
    if missing:
        why = f" where {_DYNAMIC} is true" if dynamic else ""
        message = f"Spark needs {', '.join(missing)}{why}"
        yield subject.at_key("spark-conf", message, *at, hint="add them under conf:")
    elif dynamic:
        yield from _bounds(subject, at, conf)
    elif any(conf.get(key) is not None for key in (_LEAST, _MOST)):
        key = _LEAST if conf.get(_LEAST) is not None else _MOST
        message = f"{key} means nothing without {_DYNAMIC}"
        yield subject.at_key("spark-conf", message, *at, key, hint=f"add {_DYNAMIC}: true, or remove it")


def _plain(part: Part, key: str) -> Json:
    """Return the field that says the same as a key of conf: driver_cores for spark.driver.cores."""
    return part.spec.get(key.removeprefix("spark.").replace(".", "_"))


def _bounds(subject: Subject, at: tuple[str | int, ...], conf: Spec) -> Iterator[Diagnostic]:
    least, most, fixed = (whole(conf.get(key)) for key in (_LEAST, _MOST, _INSTANCES))
    if least is None or most is None:
        return
    if least < 1:
        yield subject.at_value("spark-conf", f"{_LEAST} must be at least 1, not {least}", *at, _LEAST)
    elif least > most:
        yield subject.at_value("spark-conf", f"{_LEAST} {least} is more than {_MOST} {most}", *at, _LEAST)
    elif fixed and not least <= fixed <= most:
        yield subject.at_value("spark-conf", f"{_INSTANCES} {fixed} is not between {least} and {most}", *at, _INSTANCES)


def job(subject: Subject) -> Iterator[Diagnostic]:
    """Yield a Spark job with both compute and resources or neither, or with executors that do not add up."""
    root = Part((), subject.spec)
    if root.type == _TYPE:
        yield from _whereabouts(subject, root)
        yield from _executors(subject, root, mapping(root.spec.get(_CONF)))


def whereabouts(graph: Graph) -> Iterator[Diagnostic]:
    """Yield nodes that run Spark with both compute and resources, or neither."""
    for _, node in _nodes(graph):
        yield from _whereabouts(graph.subject, node)


def executors(graph: Graph) -> Iterator[Diagnostic]:
    """Yield nodes whose executors are not given, or do not add up; their component's settings count."""
    for name, node in _nodes(graph):
        own, known = mapping(node.spec.get(_CONF)), graph.known.get(name)
        if known is not None:
            yield from _executors(graph.subject, node, {**mapping(known.part.spec.get(_CONF)), **own})
        elif node.spec.get("component") is None:
            yield from _executors(graph.subject, node, own)


JOB_RULES: tuple[Rule, ...] = (job,)
NODE_CHECKS: tuple[Check, ...] = (whereabouts, executors)
