"""The numbers of instances of computes and deployments, and the time limits of jobs (reference, section 8 (lax))."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, as_integer, executable_nodes

_MIN_MAX_FIELDS = (("min_instances", "max_instances"), ("min_node_count", "max_node_count"))
_COUNT_FIELDS = ("instance_count", "node_count", "idle_time_before_scale_down")
# What has to be more than 0 in a job, by the mapping it is in, with its unit.
_POSITIVE_FIELDS = {"limits": (("timeout", "trial_timeout"), " seconds"), "resources": (("instance_count",), "")}
_NESTED_FIELDS = ("scale_settings", "auto_scale_settings", "resources")


def _settings_nodes(context: RuleContext) -> Iterator[SpecNode]:
    root = SpecNode((), context.spec)
    yield root
    for field in _NESTED_FIELDS:
        yield root.child(field)


def check_min_max_order(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield a minimum that is greater than the maximum."""
    for node in _settings_nodes(context):
        for low, high in _MIN_MAX_FIELDS:
            minimum, maximum = as_integer(node.spec.get(low)), as_integer(node.spec.get(high))
            if minimum is not None and maximum is not None and minimum > maximum >= 0:
                yield context.value_diagnostic(
                    "instances-order", f"{low} {minimum} is greater than {high} {maximum}", *node.child_pointer(low)
                )


def check_negative_counts(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield negative numbers of instances or seconds."""
    for node in _settings_nodes(context):
        for name in (*(field for pair in _MIN_MAX_FIELDS for field in pair), *_COUNT_FIELDS):
            number = as_integer(node.spec.get(name))
            if number is not None and number < 0:
                yield context.value_diagnostic(
                    "instances-negative", f"{name} cannot be negative: {number}", *node.child_pointer(name)
                )


def check_positive_numbers(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield the time limits and instances of a job and of its nodes that are 0 or less: nothing can run so."""
    for node in executable_nodes(context):
        for section, (names, unit) in _POSITIVE_FIELDS.items():
            fields = node.child(section)
            for name in names:
                number = as_integer(fields.spec.get(name))
                if number is not None and number <= 0:
                    message = f"{name} has to be more than 0{unit}: {number}"
                    yield context.value_diagnostic("instances-negative", message, *fields.child_pointer(name))


JOB_RULES: tuple[Rule, ...] = (check_positive_numbers,)
RULES: tuple[Rule, ...] = (check_min_max_order, check_negative_counts)
