"""Decisions that are refused: what a provider does not support is never planned as if it would be done.

A refusal stops only its asset and what waits for it. It is an error where this plan would have the provider realise the
asset, else a note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from reconciler.abbreviation import join_some
from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.assets import kind_of
from reconciler.format.data_references import is_data_reference
from reconciler.format.kinds import kind_by_name
from reconciler.format.severity import apply_severity_overrides
from reconciler.format.workspace_rules import dangling_reference_diagnostic
from reconciler.model import Action, Address, Asset, Blocked, Op, Record, Reference, ResolvedAsset
from reconciler.planning.clusters import check_cluster_of_run
from reconciler.planning.compute import compute_name
from reconciler.planning.data_places import Datastores
from reconciler.planning.datastores import given_datastores
from reconciler.planning.decision import Decision
from reconciler.planning.environments import ENVIRONMENT_POINTER
from reconciler.planning.fit import find_misfits
from reconciler.planning.jobs.lowering import CANNOT_READ
from reconciler.planning.preflight import check_run
from reconciler.planning.resolve import PlanContext, PlannedState, computes_of, planned_state_at
from reconciler.planning.subjects import distinct_diagnostics, problems_of_lowering, runs_of, subjects_of
from reconciler.planning.support import problem_diagnostics
from reconciler.planning.unusable import find_unusable

_REGISTERING_OPS = frozenset({Op.CREATE, Op.REPLACE, Op.NEW_VERSION, Op.REGISTER})
_REFUSED = "is refused"
_UNSUPPORTED, _CANNOT_RUN = " does not support ", "mlgit cannot run "


def refuse_unsupported(context: PlanContext, resolved: ResolvedAsset, decision: Decision) -> Decision:
    """Return the decision about an asset as far as its provider supports it."""
    kind = kind_of(resolved.asset)
    if not kind.is_supported(resolved.asset.spec):
        return decision
    is_realised = any(map(_is_realising, decision.actions))
    is_manual = any(blocked.manual for blocked in decision.blocked)
    severity = Severity.ERROR if is_realised else Severity.NOTE
    subjects = tuple(subjects_of(resolved.asset, resolved.graph))
    reports = [context.check_support(subject.asset, is_realised) for subject in subjects]
    runs = kind.is_runnable and (is_realised or is_manual)
    problems = list(_check_planned_run(context, resolved, severity)) if runs else []
    problems += _find_missing_datastores(context, resolved.asset, severity) if not kind.is_runnable else ()
    problems += _check_builds(context, decision)
    found = [(subject, item) for subject, report in zip(subjects, reports, strict=True) for item in report.problems]
    found += find_misfits(computes_of(context), resolved.asset, resolved.graph) if runs else ()
    is_refused = bool(problems) or any(problem.is_certain for _, problem in found)
    for subject, problem in found:
        problems += problem_diagnostics(context.declared, subject, [problem], severity)
    refusals = tuple(sorted(distinct_diagnostics(problems), key=lambda problem: problem.span or Span("", 0, 0)))
    if is_refused and is_realised:
        return _refuse(context, resolved, refusals)
    if is_refused and is_manual:
        return decision._replace(blocked=(_blocked_by(context, resolved, refusals, is_manual=True),))
    context.diagnostics += refusals
    return decision


def _is_realising(action: Action) -> bool:
    """Return True if an action has the provider of the asset make something, as its file says."""
    kind = kind_by_name(action.address.kind)
    if kind.uses_builder:
        return action.op is Op.BUILD
    return action.op is Op.SUBMIT if kind.is_runnable else action.op in _REGISTERING_OPS


def _check_planned_run(context: PlanContext, resolved: ResolvedAsset, severity: Severity) -> Iterator[Diagnostic]:
    """Yield why a run of the job could not start, with what its references stand for in this plan."""
    lowering = context.lowerings[resolved.asset.address]
    problems = [*problems_of_lowering(context.declared, resolved.asset, lowering)]
    config, declared = context.plan_options.config, context.declared
    datastores = Datastores(config, declared.assets, context.state.current, declared.known)
    jobs = [step.job for step in resolved.graph.steps.values()] if resolved.graph else [resolved]
    for job, subject in zip(jobs, runs_of(resolved.asset, resolved.graph), strict=True):
        find_target, is_known = partial(_planned_target, context, job), partial(_has_environment, job)
        problems += check_cluster_of_run(declared, subject, config, context.clean)
        problems += check_run(context.declared, subject, datastores, find_target, is_known)
        problems += _check_environment(context, job, subject.span(context.declared, ENVIRONMENT_POINTER))
    yield from (problem._replace(severity=severity) for problem in problems)


def _find_missing_datastores(context: PlanContext, asset: Asset, severity: Severity) -> Iterator[Diagnostic]:
    """Yield the datastores that the data of an asset is in, and that neither files nor mlgit.yml nor the state have."""
    given = given_datastores(context.plan_options.config)
    for reference in filter(is_data_reference, asset.references):
        address = reference.address
        if address in given or planned_state_at(context, address) or address in context.clean:
            continue
        span = context.declared.value_span(asset, reference.pointer)
        names = (*context.declared.assets, *context.state.current, *given)
        yield dangling_reference_diagnostic(address, [(reference.text, span)], names, severity)


def _has_environment(job: ResolvedAsset, _asset: Asset) -> bool:
    return job.environment is not None


def _check_builds(context: PlanContext, decision: Decision) -> Iterator[Diagnostic]:
    """Yield why no job can run in an environment that is to be built; a note tells what only the build can."""
    for action in decision.actions:
        if action.op is not Op.BUILD or action.resolved is None:
            continue
        asset, fingerprint = action.resolved.asset, action.resolved.fingerprint
        choices = [choice for choice in action.builders if choice.backends]
        backends = [backend for choice in choices for backend in choice.backends]
        span = context.declared.value_span(asset, "/image") if asset.address in context.declared.assets else None
        config = context.plan_options.config
        yield from find_unusable(context.state, config, asset.address, fingerprint, backends, span)
        candidates = context.check_support(asset, True).candidates
        checked = [name for choice in choices if candidates.produces_image(choice.builder) for name in choice.backends]
        if checked and not context.state.find_builds(fingerprint):
            who = join_some(checked)
            context.notes.append(
                f"{asset.address}: whether jobs can run in its image on {who} is known after the build"
            )


def _check_environment(context: PlanContext, job: ResolvedAsset, span: Span | None) -> Iterator[Diagnostic]:
    """Yield why no job can run in the environment of a job or a step, if that is known from its build."""
    reference = job.references.get(ENVIRONMENT_POINTER)
    fingerprint = job.environment.fingerprint if job.environment else reference.fingerprint if reference else ""
    backend = context.plan_options.config.backend_of(compute_name(job.asset))
    yield from find_unusable(
        context.state, context.plan_options.config, job.asset.address, fingerprint, [backend], span
    )


def _planned_target(context: PlanContext, resolved: ResolvedAsset, reference: Reference) -> Asset | Record | None:
    """Return the target of a reference: the declared asset if that is its version, else the record."""
    target = resolved.references.get(reference.pointer)
    if target is None:
        return None
    declared = context.declared.assets.get(target.address)
    planned = context.planned_states.get(target.address)
    if declared is not None and planned is not None and planned.version == target.version:
        return declared
    return context.state.find_version(target.address, target.version) or context.state.current.get(target.address)


def _refuse(context: PlanContext, resolved: ResolvedAsset, refusals: Sequence[Diagnostic]) -> Decision:
    """Return the decision to leave an asset as it is; what refers to it is held back."""
    address = resolved.asset.address
    planned = PlannedState(known_after=address, blocked=True, run_outcome=_REFUSED)
    return Decision(planned, (), (_blocked_by(context, resolved, refusals, is_manual=False),))


def _blocked_by(
    context: PlanContext, resolved: ResolvedAsset, refusals: Sequence[Diagnostic], *, is_manual: bool
) -> Blocked:
    address, rules = resolved.asset.address, context.plan_options.config.rules
    worst = min((item.severity for item in refusals), key=list(Severity).index)
    decisive = [item for item in refusals if item.severity is worst]  # a warning beside an error refuses nothing
    reasons = [f"{_without_address(item.message, address)} ({item.span})" for item in decisive]
    unsupported = [index for index, reason in enumerate(reasons) if _UNSUPPORTED in reason]
    for index in unsupported[1:]:  # the provider is named once
        reasons[index] = reasons[index].removeprefix(reasons[unsupported[0]].partition(_UNSUPPORTED)[0] + _UNSUPPORTED)
    message = join_some(reasons)
    shown = apply_severity_overrides(refusals, rules)
    return Blocked(address, message, not is_manual, None, is_manual, refusals=shown)


def _without_address(message: str, address: Address) -> str:
    """Return a message without the address of the asset, but with the name of a step of it."""
    return message.removeprefix(f"{address}: ").removeprefix(f"{address}/")


def refusal_label(code: str, message: str) -> str:
    """Return in a few words why a job cannot run, to count jobs by it: ``with distribution.type``."""
    if code in _LABELS:
        return _LABELS[code]
    if nodes := message.partition(_CANNOT_RUN)[2]:
        return f"with {nodes}"
    if CANNOT_READ in message:
        return "with components of registries or in no file"
    field = message.partition(_UNSUPPORTED)[2].partition(":")[0]
    return f"with {field}" if field else "for other reasons"


_LABELS = {
    "binding-dangling": "with outputs that no component has",
    "builder-cannot": "with environments that cannot be built",
    "compute-too-small": "that ask for more than their compute has",
    "compute-unbound": "on a compute without a backend",
    "environment-form": "without an environment that mlgit knows",
    "image-unusable": "in images in which no job can run",
    "extra-missing": "with a sampling that is not installed",
    "input-missing": "with inputs that have no value",
    "input-unreachable": "with inputs in remote storage",
    "output-unreachable": "with outputs in remote storage",
    "python-not-found": "with a Python that this machine lacks",
    "reference-dangling": "with references to what no file declares",
    "requirement-refused": "with packages that mlgit does not install",
}
