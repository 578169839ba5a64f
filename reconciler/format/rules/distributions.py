"""How many processes a distributed job has, and at which ports: reference, section 8 (lax) and RayDistribution.

Which fields go with which framework says the schema; azure-ai-ml takes any number for them.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import as_integer, as_mapping, executable_nodes

_DISTRIBUTION = "distribution"
_MAX_PORT = 65535  # the highest there is; 0 lets Ray choose
# The least that each field can be, and the most, where there is one.
_BOUNDS = {
    "process_count_per_instance": (1, None),
    "worker_count": (1, None),
    "parameter_server_count": (0, None),
    "port": (0, _MAX_PORT),
    "dashboard_port": (0, _MAX_PORT),
}


def check_distribution_ranges(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield numbers with which no job can start."""
    for part in executable_nodes(subject):
        if _DISTRIBUTION in part.spec:
            for name, value in as_mapping(part.spec[_DISTRIBUTION]).items():
                least, most = _BOUNDS.get(name, (None, None))
                number = as_integer(value)
                if number is None or least is None or (number >= least and (most is None or number <= most)):
                    continue
                wanted = f"{least} or more" if most is None else f"a number from {least} to {most}"
                message = f"{name} cannot be {number}"
                yield subject.value_diagnostic(
                    "distribution-range", message, *part.child_pointer(_DISTRIBUTION, name), hint=f"give {wanted}"
                )


RULES: tuple[Rule, ...] = (check_distribution_ranges,)
