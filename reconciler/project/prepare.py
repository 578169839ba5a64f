"""Prepare an apply: check that the source may be applied, plan it, and select what of the plan is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from reconciler.abbreviation import join_some
from reconciler.diagnostics import Diagnostic, user_error
from reconciler.engine.request import DEFAULT_PARALLELISM, ApplyRequest
from reconciler.git.repository import user_name
from reconciler.model import ActionId, Address, Plan, State
from reconciler.planning.affinity import deferred_notes
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.plan import DesiredState
from reconciler.planning.policy import Policy
from reconciler.planning.protection import protection_diagnostics
from reconciler.planning.saved import SavedPlan, plan_body_digest, raise_if_stale, restrict_to_saved_plan
from reconciler.project.check import load_desired, report_diagnostics
from reconciler.project.plan import observe_providers, plan_session
from reconciler.project.rollback import with_newer_ancestry
from reconciler.project.session import Session
from reconciler.render import plan_json
from reconciler.state.fast_forward import check_fast_forward
from reconciler.state.history import format_trailers
from reconciler.state.process import host_name


@dataclass(frozen=True, slots=True)
class AllowedDecisions:
    """The keys of the decisions that may be made (None for all), and why the others may not."""

    keys: frozenset[ActionId] | None
    stop_reasons: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """What an apply is asked to do.

    ``state`` is the live state if the caller has read it already. With ``saved_plan`` only the decisions of that plan
    are made. With ``limit_decisions`` nobody approves the plan: it returns the decisions that may be made, and where a
    person would be refused the whole plan, the rest of it is done.
    """

    policy: Policy
    state: State | None = None
    saved_plan: SavedPlan | None = None
    allow_dirty: bool = False
    is_rollback: bool = False
    parallelism: int = DEFAULT_PARALLELISM
    limit_decisions: Callable[[Plan, State, Policy], AllowedDecisions] | None = None


@dataclass(frozen=True, slots=True)
class PreparedApply:
    """A plan that may be applied, the request that carries it out, and the live state it was made from.

    ``notes`` depend on this machine and clone, so they are not in the plan; ``stop_reasons`` say which decisions
    ``limit_decisions`` left to a person.
    """

    plan: Plan
    request: ApplyRequest
    notes: tuple[str, ...]
    state: State
    stop_reasons: tuple[Diagnostic, ...] = ()

    @property
    def annotated_plan(self) -> Plan:
        """The plan with all notes, as people see it."""
        return replace(self.plan, notes=(*self.plan.notes, *self.notes))

    @property
    def has_running_runs(self) -> bool:
        """Return True if an asset of the plan waits for a run."""
        return any(blocked.run and not blocked.failed for blocked in self.plan.blocked)


def prepare_apply(session: Session, options: ApplyOptions) -> PreparedApply:
    """Check, in this order: the work tree, the saved plan, the commit, the files, the plan and its limits.

    Raises UserError at the first check that fails. Nothing is changed.
    """
    refuse_dirty_work_tree(session, allow_dirty=options.allow_dirty)
    state, saved_plan = options.state or session.fetch_and_read_state(), options.saved_plan
    if saved_plan:
        raise_if_stale(saved_plan, state)
    rewind = options.policy.allow_rewind
    notes = check_fast_forward(session.workspace.repository, state, session.source, allow_rewind=rewind)
    desired = load_desired(session, state)
    if options.is_rollback:
        desired = with_newer_ancestry(session, desired, state)
    plan, policy, allowed = _make_plan(session, desired, state, options)
    request = ApplyRequest(desired, policy, "", allowed.keys, options.parallelism)
    plan = replace(plan, actions=tuple(action for action in plan.actions if request.is_allowed(action)))
    digest = saved_plan.digest if saved_plan else plan_body_digest(plan_json.plan_body(plan, policy))
    trailers = format_trailers(user_name(), session.source.commit, changed=session.source.dirty, plan=digest)
    notes = (*notes, *deferred_notes(plan, session.config, host_name()))
    return PreparedApply(plan, replace(request, trailers=trailers), notes, state, allowed.stop_reasons)


def refuse_dirty_work_tree(session: Session, *, allow_dirty: bool) -> None:
    """Raise UserError if the work tree differs from HEAD: what is applied must be in the history of Git."""
    if not session.source.commit:
        message = "there is no commit yet; apply needs the files in Git"
        raise user_error("no-commit", message, "run `git add -A && git commit` first")
    if session.source.dirty and not allow_dirty:
        message = f"the work tree has uncommitted changes: {join_some(session.uncommitted_files())}"
        raise user_error("work-tree-dirty", message, "commit them, add them to .gitignore, or use --allow-dirty")


def _make_plan(
    session: Session, desired: DesiredState, state: State, options: ApplyOptions
) -> tuple[Plan, Policy, AllowedDecisions]:
    """Return the plan, the policy it was made under, and the decisions of it that may be made."""
    if options.limit_decisions:
        plan, policy, violations = _plan_without_protected(session, desired, state, options.policy)
        allowed = options.limit_decisions(plan, state, policy)
        return plan, policy, replace(allowed, stop_reasons=(*violations, *allowed.stop_reasons))
    plan = plan_session(session, desired, state, options.policy, refresh=True)
    if options.saved_plan is None:
        return plan, options.policy, AllowedDecisions(None)
    plan = restrict_to_saved_plan(options.saved_plan, plan, state)
    return plan, options.policy, AllowedDecisions(frozenset(action.key for action in plan.decisions))


def _plan_without_protected(
    session: Session, desired: DesiredState, state: State, policy: Policy
) -> tuple[Plan, Policy, tuple[Diagnostic, ...]]:
    """Plan with all assets excluded whose protection the plan would violate; return those violations."""
    report_diagnostics(session, session.affinity_diagnostics())
    observation = observe_providers(session, state)
    plan, diagnostics = run_plan_pipeline(desired, state, policy, observation)
    violations = tuple(_violations_by_address(plan, policy))
    if violations:
        policy = replace(policy, exclude=tuple(dict.fromkeys(str(address) for address, _ in violations)))
        plan, diagnostics = run_plan_pipeline(desired, state, policy, observation)
    report_diagnostics(session, diagnostics)
    return plan, policy, tuple(diagnostic for _, diagnostic in violations)


def _violations_by_address(plan: Plan, policy: Policy) -> Iterator[tuple[Address, Diagnostic]]:
    for action in plan.actions:
        for diagnostic in protection_diagnostics(replace(plan, actions=(action,)), policy.config):
            yield action.address, diagnostic
