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
# The minimum and the maximum of each field; None for no maximum. Ray chooses a free port for 0.
_BOUNDS = {
    "process_count_per_instance": (1, None),
    "worker_count": (1, None),
    "parameter_server_count": (0, None),
    "port": (0, _MAX_PORT),
    "dashboard_port": (0, _MAX_PORT),
}


def check_distribution_ranges(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield numbers of processes and ports that are out of range."""
    for node in executable_nodes(context):
        if _DISTRIBUTION in node.spec:
            for name, value in as_mapping(node.spec[_DISTRIBUTION]).items():
                minimum, maximum = _BOUNDS.get(name, (None, None))
                number = as_integer(value)
                if number is None or minimum is None or (number >= minimum and (maximum is None or number <= maximum)):
                    continue
                expected = f"{minimum} or more" if maximum is None else f"a number from {minimum} to {maximum}"
                message = f"{name} cannot be {number}"
                yield context.value_diagnostic(
                    "distribution-range", message, *node.child_pointer(_DISTRIBUTION, name), hint=f"use {expected}"
                )


RULES: tuple[Rule, ...] = (check_distribution_ranges,)
