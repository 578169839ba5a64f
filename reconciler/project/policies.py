"""Check a plan against the policies of the workspace, or of the base commit of a pull request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Protocol

from reconciler.diagnostics import Diagnostic, Severity, Span, UserError, has_errors
from reconciler.format.document import Document
from reconciler.format.yaml import parse_yaml
from reconciler.model import Action, FileReader, Json, Plan, State, Tree
from reconciler.model.links import PathProblem
from reconciler.planning.options import PlanOptions
from reconciler.policies.code_owners import CODE_OWNERS_PATHS, find_owners, parse_code_owners
from reconciler.policies.evaluation import PolicyCheck, compile_policies, expired_waivers
from reconciler.policies.files import check_across_files, parse_policy_files
from reconciler.policies.policy import PolicySet, Subject, Waiver
from reconciler.project.policy_files import find_policy_files
from reconciler.project.policy_subjects import make_subject, plain_json
from reconciler.project.session import Session
from reconciler.render import plan_json
from reconciler.render.impact import compute_impact
from reconciler.source.policy_files import POLICY_FOLDER, is_policy_file
from reconciler.timestamps import utc_date


class PolicyFiles(FileReader, Protocol):
    """Files that may be links."""

    def path_problem(self, path: str, *, must_be_file: bool = False) -> PathProblem | None:
        """Return why what is at a path cannot be used; None if it can be."""
        ...


class Rules(NamedTuple):
    """The policies that rule, and what is wrong in their files; with an error in them nothing can be judged."""

    check: PolicyCheck
    diagnostics: tuple[Diagnostic, ...]


def check_policies(session: Session, plan: Plan, body: Json, state: State) -> tuple[Diagnostic, ...]:
    """Return what the policies say of a plan, whose published body is given.

    In a pull request the policies of the base commit rule. Those of the change are named, and count once it is merged;
    so do its waivers, unless a code owner has approved them.
    """
    rules = _read_rules(session, utc_date())
    found = list(rules.diagnostics)
    if not has_errors(found):
        find_span = _span_finder(session.tree)
        plan_values = plain_json(body)
        found += rules.check.check_plan(plan_values)
        for action, action_body in zip(plan.actions, body["actions"], strict=True):
            subject = make_subject(action, action_body, session.tree, state)
            found += rules.check.check_action(subject, plan_values, find_span)
    unique = dict.fromkeys(found)  # several actions may concern one asset
    return (*(_place_at_base(session, diagnostic) for diagnostic in unique), *_unmerged_notes(session))


def report_policies(session: Session, plan: Plan, plan_options: PlanOptions, state: State) -> tuple[Diagnostic, ...]:
    """Report what the policies say of a plan, and return it."""
    diagnostics = check_policies(session, plan, plan_json.plan_body(plan, plan_options), state)
    if diagnostics:
        session.on_refusals(session.tree, diagnostics)
    return diagnostics


def expired_in(files: PolicyFiles, paths: Iterable[str]) -> tuple[Diagnostic, ...]:
    """Return the waivers in files that no longer count."""
    return tuple(expired_waivers(read_policies(files, paths)[0].waivers, utc_date()))


def read_policies(files: PolicyFiles, paths: Iterable[str]) -> tuple[PolicySet, tuple[Diagnostic, ...]]:
    """Return the policies and waivers in files of a tree or a disk, and what is wrong in them."""
    documents: list[Document] = []
    diagnostics: list[Diagnostic] = []
    for path in paths:
        document, unreadable = _read_document(files, path)
        diagnostics += unreadable
        documents += [document] if not has_errors(unreadable) else []
    try:
        policy_set, problems = parse_policy_files(documents)
    except UserError as error:  # the library is not installed
        return PolicySet(), (*diagnostics, *error.diagnostics)
    diagnostics += problems
    if not has_errors(diagnostics):
        diagnostics += check_across_files(policy_set)
    return policy_set, tuple(diagnostics)


def _read_document(tree: PolicyFiles, path: str) -> tuple[Document, tuple[Diagnostic, ...]]:
    shown = tree.display_path(path)
    if shown == POLICY_FOLDER:
        message = f"{shown} is a link or a submodule: policies are files of the workspace itself"
        return Document(shown, None), (Diagnostic("policy-invalid", message, Span(shown), "make it a folder"),)
    if problem := tree.path_problem(path, must_be_file=True):
        return Document(shown, None), (Diagnostic(problem.code, str(problem), Span(shown), problem.hint),)
    return parse_yaml(shown, tree.read_file(path))


def _read_rules(session: Session, today: str) -> Rules:
    """Return the policies that rule over a session, with the waivers that count."""
    policy_set, diagnostics = read_policies(session.config_tree, find_policy_files(session.config_tree))
    if has_errors(diagnostics):
        return Rules(PolicyCheck(), diagnostics)
    waivers = (*policy_set.waivers, *_approved_waivers(session))
    expired = expired_waivers(policy_set.waivers, today)
    return Rules(compile_policies(policy_set._replace(waivers=waivers), today), (*diagnostics, *expired))


def _approved_waivers(session: Session) -> tuple[Waiver, ...]:
    """Return the waivers of a change whose file a code owner of the base has approved."""
    owned = _approved_files(session)
    policy_set, _ = read_policies(session.tree, find_policy_files(session.tree)) if owned else (PolicySet(), ())
    return tuple(waiver for waiver in policy_set.waivers if waiver.span.path in owned)


def _approved_files(session: Session) -> frozenset[str]:
    """Return the policy files of a change, as they are shown, that an approver owns by CODEOWNERS of the base."""
    base, tree = session.base_tree, session.tree
    if base is None or not session.approvers:
        return frozenset()
    text = next((base.read_file(path) for path in CODE_OWNERS_PATHS if path in base.entries), b"")
    patterns = parse_code_owners(text.decode("utf-8", "replace"))
    names = frozenset(name.removeprefix("@").lower() for name in session.approvers)
    return frozenset(tree.display_path(path) for path in find_policy_files(tree) if find_owners(patterns, path) & names)


def _unmerged_notes(session: Session) -> Iterator[Diagnostic]:
    """Yield the policy files of a change that differ from those of its base: they do not count yet."""
    if session.base_tree is None:
        return
    approved = _approved_files(session)
    for path in dict.fromkeys((*find_policy_files(session.tree), *find_policy_files(session.base_tree))):
        if not _is_changed(session, path):
            continue
        shown = session.tree.display_path(path)
        waivers = "an owner of the file has approved its waivers" if shown in approved else "and so do its waivers"
        hint = "" if shown in approved else "its waivers count now if a code owner of the file approves the change"
        message = f"what this change does to {shown} counts once it is merged, {waivers}"
        span = Span(shown) if path in session.tree.entries else None
        yield Diagnostic("policy-unmerged", message, span, hint, Severity.NOTE)


def _is_changed(session: Session, path: str) -> bool:
    base = session.base_tree
    return base is not None and base.entries.get(path) != session.tree.entries.get(path)


def _place_at_base(session: Session, diagnostic: Diagnostic) -> Diagnostic:
    """Return a diagnostic in a policy file without its position if the change has another file there."""
    span = diagnostic.span
    if span is None or not is_policy_file(span.path) or not _is_changed(session, f"{session.tree.root}{span.path}"):
        return diagnostic
    return diagnostic._replace(span=None, message=f"{diagnostic.message} ({span} at the base)")


@dataclass(frozen=True, slots=True)
class _PolicyGate:
    """The gate of a session (``planning.gate``); the files are read when it is asked first."""

    session: Session
    read_rules: Callable[[], Rules]

    def is_about(self, action: Action) -> bool:
        rules = self.read_rules()
        return has_errors(rules.diagnostics) or rules.check.is_about(self._subject(action, None))

    def check(self, action: Action, state: State) -> Sequence[Diagnostic]:
        rules = self.read_rules()
        if has_errors(rules.diagnostics):
            return rules.diagnostics
        subject = self._subject(action, state)
        return tuple(rules.check.check_action(subject, {}, _span_finder(self.session.tree)))

    def _subject(self, action: Action, state: State | None) -> Subject:
        body = plan_json.action_to_json(action, compute_impact((action,)))
        return make_subject(action, body, self.session.tree, state)


def make_gate(session: Session) -> _PolicyGate:
    """Return the gate before registrations."""
    return _PolicyGate(session, cache(lambda: _read_rules(session, utc_date())))


def _span_finder(tree: Tree) -> Callable[[Subject, str], Span | None]:
    """Return a function that finds a field of an asset in its file."""
    read = cache(lambda path: _read_document(tree, path)[0])

    def find_span(subject: Subject, pointer: str) -> Span | None:
        if not subject.path:
            return None
        return read(subject.path).value_span(f"{subject.place}{pointer or '/name'}")

    return find_span
