"""Read the reports that were reviewed, and say how a plan differs from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

from reconciler.abbreviation import abbreviate_id, join_some, pluralize
from reconciler.config.config import CONFIG_FILE, Config
from reconciler.diagnostics import Diagnostic, UserError, user_error
from reconciler.model import Action, Address, Blocked, Json, Op, Plan, State
from reconciler.planning.apply_report import ReviewDifference
from reconciler.planning.options import PlanOptions
from reconciler.planning.pending import pending_keys
from reconciler.planning.report import Report
from reconciler.planning.reviewed import Comparison, Difference, compare_with_reports
from reconciler.project.pending import plan_revision
from reconciler.project.plan import make_plan
from reconciler.project.prepare import PreparedApply
from reconciler.project.saved_plan import check_plan_state
from reconciler.project.session import Session, ignore_diagnostics, raise_on_error
from reconciler.project.state_session import ignore_note
from reconciler.regular_files import read_regular_file
from reconciler.render import plan_json
from reconciler.render.report_json import parse_report
from reconciler.render.sentences import action_sentence
from reconciler.state.history import history_entries

Differing = AbstractSet[Address]

REPORT_FILE = "report.json"
_MAX_BYTES = 64 * 2**20  # as of an artifact
_MAX_SHOWN = 10  # differences that an error has
_HINT = "open a pull request, whose plan shows it, or apply it after a look with `mlgit ci apply --unreviewed`"


def read_reports(paths: Sequence[Path]) -> tuple[Report, ...]:
    """Read reports; of a folder all that are in it. Raise UserError if one cannot be read or is none."""
    return tuple(_read_report(file) for path in paths for file in _report_files(path))


def _report_files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(path.rglob(REPORT_FILE)) or sorted(path.glob("*.json"))
    else:
        yield path


def _read_report(path: Path) -> Report:
    try:
        raw = read_regular_file(path, _MAX_BYTES)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise user_error("report-file", message, "make one with `mlgit ci plan --out FOLDER`") from error
    if len(raw) > _MAX_BYTES:
        raise user_error("file-too-large", f"{path} has more than {_MAX_BYTES:,} bytes", "make a report of fewer files")
    return parse_report(str(path), raw)


def check_reports(reports: Iterable[Report], config: Config) -> None:
    """Raise UserError ``plan-foreign`` for a report of another live state, ``report-without-plan`` if it has none."""
    for report in reports:
        if report.plan is None:
            message = f"the report on commit {abbreviate_id(report.commit)} has no plan: its files had errors"
            raise user_error("report-without-plan", message, "correct the files, and let the new plan be reviewed")
        check_plan_state(report.plan, config)


def was_superseded(session: Session, state: State) -> bool:
    """Return True if a later commit was applied since: an old workflow that runs again has nothing to do."""
    commit, applied = session.source.commit, state.applied_commit
    return applied not in ("", commit) and bool(session.workspace.repository.is_ancestor(commit, applied))


def superseded_note(session: Session, state: State) -> str:
    """Return why nothing is done for a commit that a later one follows."""
    commit, applied = abbreviate_id(session.source.commit), abbreviate_id(state.applied_commit)
    return f"commit {applied} was applied, which follows {commit}: nothing is left to do for this one"


def reviewed_options(reports: Iterable[Report], plan_options: PlanOptions) -> PlanOptions:
    """Return plan options that allow what the reviewed plans were allowed, all together."""
    plans = [report.plan.body for report in reports if report.plan]
    allow_submit = plan_options.allow_submit
    if allow_submit is None:
        limit = plan_options.submit_limit
        allow_submit = max(limit, sum(_reviewed_submissions(body, limit) for body in plans))
    allow_mass_delete = plan_options.allow_mass_delete or any(body["options"]["allow_mass_delete"] for body in plans)
    return plan_options._replace(allow_submit=allow_submit, allow_mass_delete=allow_mass_delete)


def _reviewed_submissions(body: Mapping[str, Json], limit: int) -> int:
    """Return how many runs a plan submits, or its limit if that is lower."""
    allowed: int | None = body["options"]["allow_submit"]
    submissions = [action for action in body["actions"] if action["action"] == Op.SUBMIT]
    return min(len(submissions), limit if allowed is None else allowed)


def pending_on_base(session: Session, state: State, plan: Plan, base: str) -> frozenset[str]:
    """Return the keys of the decisions that the base of a change has too; none if its files cannot be planned."""
    base_plan = plan_revision(session, state, base)
    return pending_keys(plan, base_plan) if base_plan else frozenset()


def restrict_to_reviewed(prepared: PreparedApply, comparison: Comparison) -> PreparedApply:
    """Return a prepared apply of the decisions that were reviewed; what was not is never done, later either."""
    plan, _ = prepared.plan.without(lambda action: action.op.is_decision and action.key not in comparison.approved)
    left_out = [f"not reviewed, left out: {action_sentence(action)}" for action in comparison.repairs]
    request = replace(prepared.request, allowed_keys=comparison.approved | comparison.later)
    body = plan_json.plan_body(plan, request.plan_options)
    return replace(prepared, plan=plan, body=body, request=request, notes=(*prepared.notes, *left_out))


def without_later_actions(prepared: PreparedApply) -> PreparedApply:
    """Return a prepared apply without what is known only after a run: that this run starts was not decided."""
    plan = prepared.plan._replace(actions=tuple(action for action in prepared.plan.actions if not action.known_after))
    return replace(prepared, plan=plan, body=plan_json.plan_body(plan, prepared.request.plan_options))


def explain_differences(
    session: Session, state: State, reports: Sequence[Report], differences: Sequence[Difference]
) -> tuple[ReviewDifference, ...]:
    """Return the differences in words, with the cause of each as far as it can be known."""
    if not differences:
        return ()
    by_base = _differing_with_config_of_base(session, state, reports)
    return tuple(
        ReviewDifference(
            str(difference.address),
            "; ".join(difference.reviewed),
            _describe_now(difference.now, difference.reviewed),
            _find_cause(session, state, difference, by_base),
        )
        for difference in differences
    )


def _describe_now(now: Action | Blocked | None, reviewed: Sequence[str]) -> str:
    if now is None:
        return ""
    if isinstance(now, Blocked):
        return f"{now.address}: {now.message}"
    sentence = action_sentence(now)
    return f"{sentence}, with other inputs or files" if sentence in reviewed else sentence


def _find_cause(session: Session, state: State, difference: Difference, same_by_base: Mapping[str, Differing]) -> str:
    """Return why an address differs: another mlgit.yml rules now, or its record was changed; "" if it is neither."""
    base = next((base for base, differing in same_by_base.items() if difference.address not in differing), "")
    if base:
        name = abbreviate_id(base)
        return f"the review followed {CONFIG_FILE} of the base, {name}; since the merge the new one counts"
    if not difference.is_record_changed:
        return ""
    entry = next(iter(history_entries(session.state_store, state, 1, difference.address)), None)
    if entry is None:
        return "its record was changed since the review"
    source = f" from commit {abbreviate_id(entry.source_commit)}" if entry.source_commit else ""
    return f"{entry.user or entry.author} changed its record at {entry.committed_at}{source}: {entry.title}"


def _differing_with_config_of_base(session: Session, state: State, reports: Sequence[Report]) -> dict[str, Differing]:
    """Return by base commit which addresses would still differ if its mlgit.yml counted, if it is another one."""
    found: dict[str, Differing] = {}
    for base in dict.fromkeys(report.base for report in reports if report.base):
        plan = _plan_with_config_of(session, state, base)
        if plan is not None:
            found[base] = {item.address for item in compare_with_reports(plan, reports, state).differences}
    return found


def _plan_with_config_of(session: Session, state: State, base: str) -> Plan | None:
    """Return the plan of a session by mlgit.yml of another commit; None if it is the same, or cannot be used."""
    quiet = replace(
        session, on_note=ignore_note, on_diagnostics=raise_on_error, on_refusals=ignore_diagnostics, base_tree=None
    )
    path = session.tree.root + CONFIG_FILE
    try:
        of_base = quiet.at_revision(base)
        if of_base.tree.entries.get(path) == session.tree.entries.get(path):
            return None
        mixed = replace(quiet, config=of_base.config, base_tree=of_base.tree)
        return make_plan(mixed, state, PlanOptions(of_base.config), refresh=False)[0]
    except UserError:  # of an older mlgit.yml; the difference is said without its cause
        return None


def review_error(differences: Sequence[ReviewDifference]) -> UserError:
    """Return the error of a plan that is not as it was reviewed."""
    diagnostics = [Diagnostic("review-differs", _difference_message(item)) for item in differences[:_MAX_SHOWN]]
    if more := len(differences) - _MAX_SHOWN:
        diagnostics += [Diagnostic("review-differs", pluralize(more, "more difference"))] if more > 0 else []
    diagnostics[-1] = diagnostics[-1]._replace(hint=_HINT)
    return UserError(*diagnostics)


def _difference_message(difference: ReviewDifference) -> str:
    reviewed = f"reviewed was: {difference.reviewed}" if difference.reviewed else "nothing of it was reviewed"
    now = f"now it is: {difference.now}" if difference.now else "now there is nothing to do, and it is not done"
    reason = f" ({difference.reason})" if difference.reason else ""
    return f"{difference.address} is not as reviewed; {reviewed}; {now}{reason}"


def unreviewed_error(actions: Sequence[Action]) -> UserError:
    """Return the error of decisions that no report has, after an apply of what needs none."""
    sentences = join_some([str(action.key) for action in actions], separator=", ")
    message = f"{pluralize(len(actions), 'decision')} without a reviewed report: {sentences}"
    hint = "give the reports of the merged pull requests: `mlgit github reviewed --commit HEAD --out reports`, then "
    return user_error("review-missing", message, f"{hint}`mlgit ci apply reports`; or use --unreviewed after a look")
