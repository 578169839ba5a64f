"""The numbers of processes, and the ports, of distributed jobs (reference, section 8 (lax) and RayDistribution).

The schema says which fields a framework has; azure-ai-ml accepts any number in them.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import as_integer, as_mapping, executable_nodes

_DISTRIBUTION = "distribution"
_MAX_PORT = 65535
_MAX_PROCESSES = 1024  # more than any machine has GPUs; a number with three zeros too many would take down the machine
# The minimum and the maximum of each field. Ray chooses a free port for 0.
_BOUNDS = {
    "process_count_per_instance": (1, _MAX_PROCESSES),
    "worker_count": (1, _MAX_PROCESSES),
    "parameter_server_count": (0, _MAX_PROCESSES),
    "port": (0, _MAX_PORT),
    "dashboard_port": (0, _MAX_PORT),
}


def check_distribution_ranges(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield numbers of processes and ports that are out of range."""
    for node in executable_nodes(context):
        if _DISTRIBUTION in node.spec:
            for name, value in as_mapping(node.spec[_DISTRIBUTION]).items():
                number = as_integer(value)
                if number is None or name not in _BOUNDS:
                    continue
                minimum, maximum = _BOUNDS[name]
                if minimum <= number <= maximum:
                    continue
                expected = f"a number from {minimum} to {maximum}"
                message = f"{name} cannot be {number}"
                yield context.value_diagnostic(
                    "distribution-range", message, *node.child_pointer(_DISTRIBUTION, name), hint=f"use {expected}"
                )


RULES: tuple[Rule, ...] = (check_distribution_ranges,)
