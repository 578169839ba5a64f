"""Evaluate policies on a plan and its actions: what fails, what cannot be decided yet, and what is waived."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.abbreviation import abbreviate_text
from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.pointers import find_value, join_pointer
from reconciler.model import Json
from reconciler.policies.built_in import BUILT_IN, CANDIDATE_SCOPE, REGISTERING, Finding
from reconciler.policies.compiler import ACTION_VARIABLES, EvaluationError, Expression, compile_expression
from reconciler.policies.policy import EVERYTHING, Policy, PolicySet, Scope, Subject, Waiver

_FIELD = re.compile(r"\b(?:action|asset|live|candidate|plan)(?:\.[A-Za-z_]\w*)+\b(?!\()")
_SPEC_FIELD = re.compile(r"\basset\.spec((?:\.[A-Za-z_]\w*)+)\b(?!\()")
_MAX_SHOWN_VALUES = 4

FindSpan = Callable[[Subject, str], Span | None]
"""Returns where a field of the asset of an action stands in its file, None if the action has no file."""


class CompiledPolicy(NamedTuple):
    """A policy with its compiled expression, None for one that is built in."""

    policy: Policy
    expression: Expression | None

    @property
    def is_about_plan(self) -> bool:
        """True if the policy is about the plan as a whole: it has no ``for:``, and names no variable of an action."""
        return (
            self.expression is not None
            and self.policy.scope == EVERYTHING
            and self.expression.variables.isdisjoint(ACTION_VARIABLES)
        )

    @property
    def needs_candidate(self) -> bool:
        """True if the policy is about what a run has made."""
        if self.expression is None:
            return BUILT_IN[self.policy.uses].needs_candidate
        return "candidate" in self.expression.variables

    def is_about(self, subject: Subject) -> bool:
        """Return True if an action has to satisfy the policy.

        What is registered is a candidate, and of that models unless the policy says which kinds or addresses it means.
        """
        scope = self.policy.scope
        if self.needs_candidate and not subject.is_in(Scope(actions=REGISTERING)):
            return False
        if self.needs_candidate and not (scope.kinds or scope.addresses):
            scope = scope._replace(kinds=CANDIDATE_SCOPE.kinds)
        return not self.is_about_plan and subject.is_in(scope)

    def find_problems(self, subject: Subject | None, plan: Json) -> Iterator[Finding]:
        """Yield why an action, or None for the plan, does not satisfy the policy."""
        if self.expression is not None:
            yield from _find_expression_problems(self.policy, self.expression, subject, plan)
        elif subject is not None:
            for finding in BUILT_IN[self.policy.uses].check(subject, self.policy.parameters):
                own = f"{self.policy.message}: " if self.policy.message else ""
                yield finding._replace(message=f"{own}{finding.message}")


class PolicyCheck(NamedTuple):
    """The policies that rule, compiled, with the waivers that count today."""

    policies: tuple[CompiledPolicy, ...] = ()
    waivers: tuple[Waiver, ...] = ()

    def is_about(self, subject: Subject) -> bool:
        """Return True if an action has to satisfy a policy."""
        return any(compiled.is_about(subject) for compiled in self.policies)

    def check_plan(self, plan: Json) -> Iterator[Diagnostic]:
        """Yield what the policies say that are about the plan as a whole."""
        for compiled in self.policies:
            policy = compiled.policy
            for finding in compiled.find_problems(None, plan) if compiled.is_about_plan else ():
                message = f"policy {policy.name}: {finding.message}"
                yield Diagnostic("policy-failed", message, policy.span, severity=policy.severity)

    def check_action(self, subject: Subject, plan: Json, find_span: FindSpan) -> Iterator[Diagnostic]:
        """Yield what the policies say of an action."""
        for compiled in self.policies:
            if compiled.is_about(subject):
                yield from self._check_action(compiled, subject, plan, find_span)

    def _check_action(
        self, compiled: CompiledPolicy, subject: Subject, plan: Json, find_span: FindSpan
    ) -> Iterator[Diagnostic]:
        policy = compiled.policy
        prefix, hint = f"policy {policy.name}: {subject.address}", f"the policy is at {policy.span}"
        if compiled.needs_candidate and subject.candidate_after:
            message = f"{prefix} is decided when {subject.candidate_after} has run"
            yield Diagnostic("policy-pending", message, find_span(subject, "") or policy.span, hint, Severity.NOTE)
            return
        waiver = next((item for item in self.waivers if item.covers(policy, subject.address)), None)
        for finding in compiled.find_problems(subject, plan):
            message, span = f"{prefix}: {finding.message}", find_span(subject, finding.pointer) or policy.span
            if waiver is None:
                yield Diagnostic("policy-failed", message, span, hint, policy.severity)
            else:
                hint = f"waived until {waiver.until} at {waiver.span}: {waiver.reason}"
                yield Diagnostic("policy-waived", message, span, hint, Severity.NOTE)


def compile_policies(policy_set: PolicySet, today: str) -> PolicyCheck:
    """Return the policies of files that are right, with the waivers that have not expired."""
    compiled = (
        CompiledPolicy(policy, compile_expression(policy.check) if policy.check else None)
        for policy in policy_set.policies
    )
    return PolicyCheck(tuple(compiled), tuple(item for item in policy_set.waivers if not item.is_expired(today)))


def expired_waivers(waivers: Iterable[Waiver], today: str) -> Iterator[Diagnostic]:
    """Yield the waivers that no longer count."""
    for waiver in waivers:
        if waiver.is_expired(today):
            message = f"the waiver of {waiver.policy} for {waiver.addresses} expired on {waiver.until}"
            yield Diagnostic(
                "waiver-expired", message, waiver.span, "remove it, or agree on a later date", Severity.WARNING
            )


def _find_expression_problems(
    policy: Policy, expression: Expression, subject: Subject | None, plan: Json
) -> Iterator[Finding]:
    """Yield why an expression is not true: it is false, or it has no value, which is never a pass."""
    values: Mapping[str, Json] = {name: getattr(subject, name, None) for name in ACTION_VARIABLES} | {"plan": plan}
    try:
        if expression.is_true(values):
            return
        message = policy.message
    except EvaluationError as error:
        check = abbreviate_text(" ".join(policy.check.split()))
        message = f"{policy.message}: `{check}` cannot be evaluated: {error}"
    yield Finding(f"{message}{_format_values(policy.check, values)}", _first_spec_pointer(policy.check))


def _first_spec_pointer(check: str) -> str:
    match = _SPEC_FIELD.search(check)
    return join_pointer(*match[1].strip(".").split(".")) if match else ""


def _format_values(check: str, values: Mapping[str, Json]) -> str:
    """Return the values of the fields that an expression names: `` (candidate.metrics.auc is 0.8)``."""
    found = ((name, find_value(values, name.split("."))) for name in dict.fromkeys(_FIELD.findall(check)))
    shown = [f"{name} is {_format_value(value)}" for name, value in found if isinstance(value, str | int | float)]
    return f" ({', '.join(shown[:_MAX_SHOWN_VALUES])})" if shown else ""


def _format_value(value: str | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return (
        abbreviate_text(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    )
