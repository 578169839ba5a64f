"""The fields of sweeps that a schema cannot check: search space, sampling, limits, objective, early termination.

azure-ai-ml accepts any number here, and any distribution with any sampling; the service rejects the sweep, or its
trials fail. What an expression of a pipeline decides is not checked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.expressions import Expression, parse_expressions
from reconciler.format.pointers import Pointer, join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.components import component_interface
from reconciler.format.rules.spec_nodes import SpecNode, as_mapping, executable_nodes, iter_strings
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json
from reconciler.sweeps.settings import (
    CHOICE,
    DISTRIBUTIONS,
    LARGEST_EXPONENT,
    MAX_TRIALS,
    SAMPLED,
    is_distribution,
    read_number,
    read_sampling,
)

_SPACE, _POLICY = "search_space", "early_termination"
_SLACKS = ("slack_factor", "slack_amount")
_Bounds: TypeAlias = Mapping[str, tuple[float, float]]
# The smallest and the largest number of the fields.
_TRIAL_BOUNDS: _Bounds = dict.fromkeys(("max_total_trials", "max_concurrent_trials"), (1, MAX_TRIALS))
_POLICY_BOUNDS: _Bounds = {
    "evaluation_interval": (1, math.inf),
    "delay_evaluation": (0, math.inf),
    "truncation_percentage": (1, 99),
    **dict.fromkeys(_SLACKS, (0, math.inf)),
}
_SMALLEST = {"q": 0, "sigma": 0, "upper": 1}
_MEANINGS = {
    "q": "the step of the values, such as 1 or 0.5",
    "sigma": "the standard deviation, 0 or more",
    "upper": "the bound that the values, from 0 on, stay below",
}
_NORMAL_REACH = 9  # standard deviations; no value is further from the mean


def _sweep_nodes(context: RuleContext) -> Iterator[SpecNode]:
    return (node for node in executable_nodes(context) if node.type == "sweep")


def _as_number(value: Json) -> float | None:
    """Return a number, given as such or as text; None for an expression and for anything else."""
    try:
        return float(read_number(value))
    except (ValueError, OverflowError):
        return None


def check_search_spaces(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield search spaces without parameters, and distributions that no value can be drawn from."""
    for node in _sweep_nodes(context):
        space = node.child(_SPACE)
        if not space.spec:
            at = space.pointer if _SPACE in node.spec else node.pointer
            message = "the sweep has no parameters, so all of its trials would be the same"
            hint = "add search_space: with a parameter, such as rate: {type: uniform, min_value: 0.1, max_value: 1}"
            yield context.key_diagnostic("sweep-space", message, *at, hint=hint)
        for name, distribution in space.child_nodes():
            yield from _check_distribution(context, name, distribution)
        for name in space.spec.keys() & as_mapping(node.spec.get("inputs")).keys():
            message = f"{name} is in inputs: too, so it is not clear what the trial gets"
            pointer = node.child_pointer("inputs", name)
            yield context.key_diagnostic("sweep-space", message, *pointer, hint=f"remove {name} from inputs:")


def _check_distribution(context: RuleContext, name: str, node: SpecNode) -> Iterator[Diagnostic]:
    """Yield what is wrong with a distribution; those inside of a choice are not checked by the schema."""
    fields = DISTRIBUTIONS.get(node.type)
    if fields is None:
        return
    missing = [field for field in fields if node.spec.get(field) is None]
    unknown = [field for field in node.spec if field not in {"type", *fields}]
    if missing and not unknown:
        message = f"{node.type} of {name} needs {' and '.join(missing)}"
        yield context.key_diagnostic("sweep-space", message, *node.pointer, hint=f"add {missing[0]}:")
    for field in unknown:
        message = f"{node.type} of {name} has no field {field}"
        hint = did_you_mean(str(field), fields) or f"available: {', '.join(fields)}"
        yield context.key_diagnostic("sweep-space", message, *node.child_pointer(field), hint=hint)
    if node.type == CHOICE:
        yield from _check_choice(context, name, node)
    elif not missing:
        yield from _check_numbers(context, name, node)


def _check_choice(context: RuleContext, name: str, node: SpecNode) -> Iterator[Diagnostic]:
    values = node.spec.get("values")
    if values == []:
        hint = "add the values to choose from, or remove the parameter"
        yield context.value_diagnostic(
            "sweep-space", f"{name} has no values to choose from", *node.child_pointer("values"), hint=hint
        )
    for index, value in enumerate(values) if isinstance(values, list) else ():
        for key, inner in SpecNode(node.child_pointer("values", index), as_mapping(value)).child_nodes():
            if is_distribution(inner.spec):
                yield from _check_distribution(context, f"{name}.{key}", inner)


def _check_numbers(context: RuleContext, name: str, node: SpecNode) -> Iterator[Diagnostic]:
    """Yield numbers of a distribution that are out of range."""
    numbers = {
        field: number for field in DISTRIBUTIONS[node.type] if (number := _as_number(node.spec[field])) is not None
    }
    for field, number in numbers.items():
        if not math.isfinite(number):
            problem, hint = f"is {number}, which is no finite number", "write a number"
        elif field == "min_value" and number > numbers.get("max_value", math.inf):
            problem, hint = f"is {number:g}, more than max_value, which is {numbers['max_value']:g}", "exchange the two"
        elif number < _SMALLEST.get(field, -math.inf) or (field == "q" and number == 0):
            problem, hint = f"cannot be {number:g}", f"{field} is {_MEANINGS[field]}"
        elif "log" in node.type and _largest_exponent(field, numbers) > LARGEST_EXPONENT:
            problem = f"is too large: exp({_largest_exponent(field, numbers):g}) is no number that a command can use"
            hint = f"the values of {node.type} are exp(x): for values up to 0.1, x goes up to -2.3"
        else:
            continue
        yield context.value_diagnostic(
            "sweep-space", f"{field} of {name} {problem}", *node.child_pointer(field), hint=hint
        )


def _largest_exponent(field: str, numbers: Mapping[str, float]) -> float:
    """Return the largest number that a logarithmic distribution exponentiates because of a field."""
    if field == "mu":
        return numbers["mu"] + _NORMAL_REACH * numbers.get("sigma", 0)
    return numbers["max_value"] if field == "max_value" else -math.inf


def check_sampling(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield distributions that the sampling of a sweep cannot do, and what it does not go with."""
    for node in _sweep_nodes(context):
        name, fields = read_sampling(node.spec)
        possible = SAMPLED.get(name, frozenset(DISTRIBUTIONS))
        for pointer, kind in _distribution_types(node.child(_SPACE)):
            if kind not in possible:
                message = f"{name} sampling cannot do {kind}"
                *others, last = sorted(possible)
                choices = f"{', '.join(others)} or {last}" if others else last
                hint = f"use {choices}, or sampling_algorithm: random"
                yield context.value_diagnostic("sweep-sampling", message, *pointer, "type", hint=hint)
        base = _as_number(fields.get("logbase"))
        if base is not None and not 0 < base < math.inf:
            message = f"logbase has to be more than 0, not {base:g}"
            pointer = node.child_pointer("sampling_algorithm", "logbase")
            yield context.value_diagnostic("sweep-sampling", message, *pointer, hint="write a base, such as 10, or e")
        if name == "bayesian" and node.spec.get(_POLICY):
            message = "Azure ML does not stop trials early with bayesian sampling; mlgit does"
            span = context.document.key_span(join_pointer(*node.child_pointer(_POLICY)))
            hint = f"use sampling_algorithm: random, or remove {_POLICY}"
            yield Diagnostic("sweep-sampling", message, span, hint, Severity.WARNING)


def _distribution_types(space: SpecNode) -> Iterator[tuple[Pointer, str]]:
    """Yield pointer and type of every distribution, those inside of choices too."""
    for _, node in space.child_nodes():
        if node.type in DISTRIBUTIONS:
            yield node.pointer, node.type
            values = node.spec.get("values") if node.type == CHOICE else None
            for index, value in enumerate(values) if isinstance(values, list) else ():
                yield from _distribution_types(SpecNode(node.child_pointer("values", index), as_mapping(value)))


def check_limits(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield numbers of trials and settings of policies that are out of range."""
    for node in _sweep_nodes(context):
        yield from _check_bounds(context, node.child("limits"), _TRIAL_BOUNDS, "sweep-limits")
        yield from _check_bounds(context, node.child(_POLICY), _POLICY_BOUNDS, "sweep-termination")


def _check_bounds(context: RuleContext, fields: SpecNode, bounds: _Bounds, code: str) -> Iterator[Diagnostic]:
    for name, (smallest, largest) in bounds.items():
        number = _as_number(fields.spec.get(name))
        if number is not None and not smallest <= number <= largest:
            hint = f"use a number {f'from {smallest} to {largest}' if largest < math.inf else f'of {smallest} or more'}"
            message = f"{name} cannot be {number:g}"
            yield context.value_diagnostic(code, message, *fields.child_pointer(name), hint=hint)


def check_objectives(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield objectives without a metric, and bandit policies without exactly one slack."""
    for node in _sweep_nodes(context):
        objective, policy = node.child("objective"), node.child(_POLICY)
        metric = objective.spec.get("primary_metric")
        if isinstance(metric, str) and not metric.strip():
            hint = "write the name of a metric that the command logs, as in mlflow.log_metric(NAME, value)"
            pointer = objective.child_pointer("primary_metric")
            yield context.value_diagnostic("sweep-objective", "primary_metric is empty", *pointer, hint=hint)
        slacks = [name for name in _SLACKS if policy.spec.get(name) is not None]
        if policy.type == "bandit" and len(slacks) != 1:
            message = f"bandit needs slack_factor or slack_amount, but has {'both' if slacks else 'none'}"
            hint = "remove one of the two" if slacks else "add slack_factor: 0.2, a part of the best value"
            yield context.key_diagnostic("sweep-termination", message, *policy.pointer, hint=hint)


def check_unused_parameters(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield parameters of a search space that no command uses: all values of them would give the same result."""
    for node in _sweep_nodes(context):
        interface = component_interface(context, node)
        if interface is None:
            continue
        used = {expression.path[1] for expression in _value_expressions(interface.node)}
        user = "its trial" if interface.node.pointer else interface.display_name
        for name in node.child(_SPACE).spec:
            if name not in used and name not in interface.inputs:
                span = context.document.key_span(join_pointer(*node.child_pointer(_SPACE, name)))
                hint = did_you_mean(str(name), used) or f"write ${{{{search_space.{name}}}}} into its command"
                yield Diagnostic(
                    "sweep-unused", f"{name} varies, but {user} does not use it", span, hint, Severity.WARNING
                )


def _value_expressions(trial: SpecNode) -> Iterator[Expression]:
    """Yield the expressions in a trial that stand for a value of its search space or of an input."""
    for _, text in iter_strings(trial.spec):
        for expression in parse_expressions(text):
            if isinstance(expression, Expression) and expression.path[0] in {_SPACE, "inputs"} and expression.path[1:]:
                yield expression


RULES: tuple[Rule, ...] = (
    check_search_spaces,
    check_sampling,
    check_limits,
    check_objectives,
    check_unused_parameters,
)
