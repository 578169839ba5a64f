"""Prepare an apply: check that the source may be applied, plan it, and select what of the plan is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from reconciler.abbreviation import join_some, pluralize
from reconciler.diagnostics import Diagnostic, Severity, user_error
from reconciler.engine.request import DEFAULT_PARALLELISM, ApplyRequest
from reconciler.model import Action, Json, Plan, State
from reconciler.planning.affinity import deferred_notes, restrict_plan_to_host
from reconciler.planning.options import PlanOptions
from reconciler.planning.pipeline import AllowedPlan
from reconciler.planning.plan import PlanInputs
from reconciler.planning.saved import SavedPlan, plan_body_digest, raise_if_stale, restrict_to_saved_plan
from reconciler.planning.unattended import plan_unattended
from reconciler.project.check import report_diagnostics, report_refusals
from reconciler.project.plan import plan_needed_part, read_plan_inputs, rollback_notes
from reconciler.project.policy_files import report_policies
from reconciler.project.session import Session
from reconciler.render import plan_json
from reconciler.source.gc_pause import pause_gc
from reconciler.state.fast_forward import check_fast_forward
from reconciler.state.history import format_trailers
from reconciler.state.process import host_name, user_name
from reconciler.timestamps import format_timestamp


class Approver(StrEnum):
    """Who approves the decisions of a plan: a person, the limits of mlgit.yml, or no one."""

    PERSON = "person"
    LIMITS = "limits"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """What an apply is asked to do.

    ``state`` is the live state if the caller has read it already. With ``saved_plan`` only the decisions of that plan
    are made. A person is refused a plan that exceeds the limits; without a person's approval, the part that the limits
    allow is done.
    """

    plan_options: PlanOptions
    state: State | None = None
    saved_plan: SavedPlan | None = None
    allow_dirty: bool = False
    parallelism: int = DEFAULT_PARALLELISM
    approver: Approver = Approver.PERSON


@dataclass(frozen=True, slots=True)
class PreparedApply:
    """A plan that may be applied, its body as JSON, the request that carries it out, and the live state.

    ``notes`` depend on this machine and clone, so they are not in the plan; ``stop_reasons`` say which decisions the
    limits leave to a person, and ``withheld`` are the decisions without approval. With ``policy_errors`` the
    plan is shown and not applied.
    """

    plan: Plan
    body: Json
    request: ApplyRequest
    notes: tuple[str, ...]
    state: State
    stop_reasons: tuple[Diagnostic, ...] = ()
    policy_errors: tuple[Diagnostic, ...] = ()
    withheld: tuple[Action, ...] = ()

    @property
    def annotated_plan(self) -> Plan:
        """The plan with all notes, as people see it."""
        return self.plan._replace(notes=(*self.plan.notes, *self.notes))

    @property
    def is_elsewhere(self) -> bool:
        """Return True if this machine can do nothing of what is planned."""
        config = self.request.plan_options.config
        return bool(self.plan.actions) and not restrict_plan_to_host(self.plan, config, host_name()).actions

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
    rewind = options.plan_options.allow_rewind
    notes = check_fast_forward(session.workspace.repository, state, session.source, allow_rewind=rewind)
    inputs = read_plan_inputs(session, state, options.plan_options, refresh=True)
    inputs, allowed = _make_plan(session, inputs, options)
    request = ApplyRequest(inputs.desired, allowed.plan_options, "", allowed.allowed_keys, options.parallelism)
    plan = allowed.allowed_plan
    withheld = tuple(action for action in allowed.plan.actions if not request.is_allowed(action))
    body = plan_json.plan_body(plan, allowed.plan_options)
    digest = saved_plan.digest if saved_plan else plan_body_digest(body)
    applied_commit = "" if plan.is_destroy else session.source.commit  # a destroy does not apply its commit
    trailers = format_trailers(user_name(), applied_commit, changed=session.source.dirty, plan=digest)
    notes = (*notes, *deferred_notes(plan, session.config, host_name()))
    request = replace(request, trailers=trailers)
    return PreparedApply(plan, body, request, notes, state, allowed.stop_reasons, allowed.policy_errors, withheld)


def refuse_dirty_work_tree(session: Session, *, allow_dirty: bool) -> None:
    """Raise UserError if the work tree differs from HEAD: what is applied must be in the history of Git."""
    if not session.source.commit:
        message = "there is no commit yet; apply needs the files in Git"
        raise user_error("no-commit", message, "run `git add -A && git commit` first")
    if session.source.dirty and not allow_dirty:
        message = f"the work tree has uncommitted changes: {join_some(session.uncommitted_files())}"
        raise user_error("work-tree-dirty", message, "commit them, add them to .gitignore, or use --allow-dirty")


@pause_gc()
def _make_plan(session: Session, inputs: PlanInputs, options: ApplyOptions) -> tuple[PlanInputs, AllowedPlan]:
    """Return what was planned, and the plan with what of it may be decided.

    Report its diagnostics, and raise UserError if one is an error.
    """
    if options.approver is Approver.PERSON:
        inputs, plan, diagnostics = plan_needed_part(session, inputs)
        plan = plan._replace(notes=(*plan.notes, *rollback_notes(session, inputs.state)))
        allowed = AllowedPlan(inputs.plan_options, plan, diagnostics)
    else:
        a_day_ago = format_timestamp(datetime.now(UTC) - timedelta(days=1), "milliseconds")
        allowed = plan_unattended(inputs, session.state_store.runs_of, a_day_ago)
    report_diagnostics(session, allowed.diagnostics)
    report_refusals(session, allowed.plan)
    if options.approver is Approver.NOBODY:
        return inputs, allowed._replace(allowed_keys=frozenset(), stop_reasons=())
    if options.saved_plan is not None:
        plan = restrict_to_saved_plan(options.saved_plan, allowed.plan, inputs.state)
        allowed = allowed._replace(plan=plan, allowed_keys=frozenset(action.key for action in plan.decisions))
    return inputs, _check_policies(session, inputs.state, allowed, options.approver)


def _check_policies(session: Session, state: State, allowed: AllowedPlan, approver: Approver) -> AllowedPlan:
    """Report what the policies say. A person's plan with errors is shown and refused; of another none is decided."""
    reported = report_policies(session, allowed.allowed_plan, allowed.plan_options, state)
    errors = tuple(item for item in reported if item.severity is Severity.ERROR)
    if not errors or not allowed.allowed_plan.decisions:
        return allowed
    if approver is Approver.PERSON:
        return allowed._replace(policy_errors=errors)
    return allowed._replace(allowed_keys=frozenset(), stop_reasons=(*allowed.stop_reasons, *errors))


def raise_if_policies_fail(prepared: PreparedApply) -> None:
    """Raise UserError ``policy-refused`` if the decisions of a plan do not satisfy the policies."""
    if prepared.policy_errors:
        message = f"the plan has {pluralize(len(prepared.policy_errors), 'error')} of policies; nothing was applied"
        raise user_error("policy-refused", message, "fix what they name; docs/policies.md says how to waive a policy")
