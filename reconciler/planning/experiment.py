"""The plan of an experiment: one job as it is declared now, with what it needs, beside what is applied.

What the job refers to is used as it is declared, by content. It is not registered, so nothing that others see changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from reconciler.abbreviation import join_some
from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.output_assets import assets_of_outputs
from reconciler.format.severity import OFF
from reconciler.model import (
    Action,
    Address,
    Asset,
    Blocked,
    Observation,
    Op,
    ResolvedAsset,
    ResolvedReference,
    Run,
    StepForecast,
)
from reconciler.planning.decision import Decision
from reconciler.planning.environments import is_pinned, recipe_note
from reconciler.planning.graph import topological_order
from reconciler.planning.plan import PlanInputs, decide_asset
from reconciler.planning.planners.job import find_attempts, make_run
from reconciler.planning.referencable import existence_check
from reconciler.planning.resolve import PlanContext, resolve_asset
from reconciler.planning.source_notes import source_notes
from reconciler.planning.subjects import subjects_of
from reconciler.planning.support import IGNORED, support_notes

_REGISTRATIONS = frozenset({Op.NEW_VERSION, Op.REGISTER})
_USED_OPS = _REGISTRATIONS | {Op.ADOPT}
_MAX_OUTPUTS = 3  # in a note


class ExperimentPlan(NamedTuple):
    """What an experiment would do.

    ``needed`` are the versions that the job refers to and that are not registered, each as the action that would
    register it. ``attempts`` are the runs that the job has had with this fingerprint, experiments among them, the first
    attempt first. ``blocked`` says why the job cannot be run, None if it can; ``diagnostics`` are about the files.
    ``steps`` are what is known of those of a pipeline.
    """

    context: PlanContext
    resolved: ResolvedAsset
    needed: tuple[Action, ...]
    attempts: tuple[Run, ...]
    blocked: Blocked | None
    diagnostics: tuple[Diagnostic, ...]
    notes: tuple[str, ...]
    steps: tuple[StepForecast, ...] = ()

    def make_run(self, attempt: int) -> Run:
        """Return an attempt, as it is intended; what it refers to and is not registered has no number."""
        run = make_run(self.context, self.resolved, attempt)
        registered = {(action.address, action.version) for action in self.needed if action.op in _REGISTRATIONS}
        references = {pointer: _as_recorded(reference, registered) for pointer, reference in run.references.items()}
        return replace(run, experiment=True, references=references)

    def make_submission(self, run: Run) -> Action:
        """Return the action that submits an attempt."""
        return Action(Op.SUBMIT, run.address, version=run.id, resolved=self.resolved, run=run, steps=self.steps)


def _as_recorded(reference: ResolvedReference, registered: Collection[tuple[Address, str]]) -> ResolvedReference:
    is_registered = (reference.address, reference.version) not in registered
    return reference if is_registered else replace(reference, version="")


def plan_experiment(inputs: PlanInputs, address: Address) -> ExperimentPlan:
    """Return the plan of one job, as if it was asked to run now. The assets that it refers to are declared with it."""
    desired, declared = inputs.desired, inputs.desired.declared
    plan_options = inputs.plan_options._replace(replace=frozenset({address}))
    context = PlanContext(
        desired.tree,
        declared,
        inputs.state,
        plan_options,
        observation=Observation(),
        check_support=desired.check_support,
        find_backend=desired.find_backend,
    )
    needed: list[Action] = []
    blocked: list[Blocked] = []
    for asset in _needed_assets(declared, address, inputs):
        decision = decide_asset(context, asset)
        context.planned_states[asset.address] = decision.planned_state
        needed += (action for action in decision.actions if action.op in _USED_OPS and kind_of(asset).is_versioned)
        blocked += (item for item in decision.blocked if item.failed)
    job = declared.assets[address]
    decision = decide_asset(context, job)
    blocked += _blocked_job(job, decision)
    submission = next((action for action in decision.actions if action.op is Op.SUBMIT), None)
    resolved = (submission.resolved if submission else None) or resolve_asset(context, job)
    attempts = tuple(find_attempts(context, resolved)) if resolved.fingerprint else ()
    return ExperimentPlan(
        context,
        resolved,
        tuple(needed),
        attempts,
        next(iter(blocked), None),
        tuple(dict.fromkeys(context.diagnostics)),
        tuple(_notes(inputs, resolved, needed)),
        submission.steps if submission else (),
    )


def _needed_assets(declared: AssetSet, address: Address, inputs: PlanInputs) -> Iterator[Asset]:
    """Yield what a job refers to, after what that refers to; other jobs and its own outputs count as they are live."""
    order = topological_order(declared.assets, None, existence_check(inputs.state))
    own = declared.assets[address].source
    yield from (asset for asset in order if not (kind_of(asset).is_runnable or (asset.place and asset.source == own)))


def _blocked_job(job: Asset, decision: Decision) -> Iterator[Blocked]:
    """Yield why the job cannot be run now."""
    yield from decision.blocked
    if not decision.blocked and (late := next((action.known_after for action in decision.actions), None)):
        yield Blocked(job.address, f"needs the output of {late}, which has not completed", failed=True)


def _notes(inputs: PlanInputs, resolved: ResolvedAsset, needed: Iterable[Action]) -> Iterator[str]:
    """Yield what is said of a run before it starts.

    That is how the environment differs when it is first used, what the providers do not use of the job and of what it
    needs, downloads, and what is not registered.
    """
    environment = resolved.environment.asset if resolved.environment else None
    if environment and not is_pinned(environment.address, inputs.state.find_pin):
        yield from filter(None, [recipe_note(environment)])
    desired = inputs.desired
    if inputs.plan_options.config.rules.get(IGNORED) != OFF:
        graphs = {resolved.asset.address: resolved.graph}
        assets = desired.declared.assets.values()
        subjects = (item for asset in assets for item in subjects_of(asset, graphs.get(asset.address)))
        yield from support_notes(desired.declared, subjects, desired.check_support, inputs.plan_options.config)
    if outputs := [str(asset.address) for asset in assets_of_outputs(resolved.asset)]:
        yield f"an experiment registers nothing: {join_some(outputs, _MAX_OUTPUTS)} when `mlgit apply` has run the job"
    actions = (*needed, Action(Op.SUBMIT, resolved.asset.address, resolved=resolved))
    yield from source_notes(desired.tree, desired.declared, actions, inputs.plan_options.config, inputs.state)
