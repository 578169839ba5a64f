"""Ask backends what would stop the runs of a plan that is shown on this machine: warnings, and no part of the plan."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from reconciler.abbreviation import join_some
from reconciler.backends import BACKENDS
from reconciler.diagnostics import Diagnostic, Severity, UserError
from reconciler.format.assets import AssetSet
from reconciler.format.include import IncludeGlob
from reconciler.format.load import load_assets
from reconciler.model import Action, Address, Asset, Op, Plan, Spec, State
from reconciler.model.capacity import Capacity, RunRequest, Settings
from reconciler.model.plugins import BackendPlugin
from reconciler.planning.clusters import cluster_settings
from reconciler.planning.compute import compute_name
from reconciler.planning.fit import check_request
from reconciler.planning.run_requests import make_run_request
from reconciler.planning.subjects import Subject, runs_of, whole_subject
from reconciler.planning.support import SupportProblem, problem_diagnostics
from reconciler.project.session import Session
from reconciler.state.process import host_name


def report_refused_submissions(session: Session, state: State, plan: Plan) -> bool:
    """Report why backends would refuse runs that a plan submits; return True if there is something."""
    made = {session.config.backend_of(action.address.name): action for action in _cluster_actions(session, plan)}
    found = (
        *_find_cluster_refusals(session, made),
        *_find_refusals(session, plan.submissions, made),
        *_find_misfits(session, state, plan),
    )
    if found:
        session.on_refusals(session.tree, found)
    return bool(found)


def _cluster_actions(session: Session, plan: Plan) -> Iterator[Action]:
    """Yield the actions that make the cluster of a compute."""
    for action in plan.actions:
        if (
            action.op in {Op.CREATE, Op.REPLACE}
            and action.resolved
            and cluster_settings(session.config, action.address)
        ):
            yield action


def _find_cluster_refusals(session: Session, made: Mapping[str, Action]) -> Iterator[Diagnostic]:
    """Yield why no cluster could be made on this machine, or from it, at the type of its compute."""
    for name, asset in ((name, action.resolved.asset) for name, action in made.items() if action.resolved):
        if refusals := tuple(_ask_refusals(session, name)):
            problems = [SupportProblem("/type", item.code, f"{name}: {item.message}", item.hint) for item in refusals]
            yield from problem_diagnostics(_read_file(session, asset), whole_subject(asset), problems, Severity.WARNING)


def _find_refusals(session: Session, submissions: Iterable[Action], reported: Container[str]) -> Iterator[Diagnostic]:
    """Yield why backends would refuse runs, but for those that are ``reported``."""
    for name, jobs in _jobs_by_backend(session, submissions).items():
        for refusal in () if name in reported else _ask_refusals(session, name):
            yield refusal._replace(message=f"{join_some(list(map(str, jobs)))}: {name}: {refusal.message}")


def _ask_refusals(session: Session, name: str) -> Iterable[Diagnostic]:
    """Return why this machine could submit nothing to a backend."""
    here = session.config.reachable_backends(host_name())
    settings = here.get(name, {})
    type_name = str(settings.get("type", ""))
    try:
        plugin = BACKENDS.load(type_name) if name in here else None
        source = plugin.find_refusals if isinstance(plugin, BackendPlugin) else ""
        refusals: Iterable[Diagnostic] = BACKENDS.call(type_name, source, settings) if source else ()
    except UserError:
        return ()  # of a plug-in that cannot be used; its runs say so
    return refusals


def _find_misfits(session: Session, state: State, plan: Plan) -> Iterator[Diagnostic]:
    """Yield what runs ask for that this machine has not, where files say nothing of it: another one may have it."""
    here = session.config.reachable_backends(host_name())
    changed = {action.address: action.resolved.asset.spec for action in plan.actions if action.resolved}

    def find_spec(address: Address) -> Spec | None:
        record = state.current.get(address)
        return changed.get(address) or (record.spec if record else None)

    for resolved in (action.resolved for action in plan.submissions if action.resolved):
        problems: list[tuple[Subject, SupportProblem]] = []
        for run in runs_of(resolved.asset, resolved.graph):
            request = make_run_request(run.asset, find_spec)
            settings = here.get(session.config.backend_of(request.compute.name))
            if settings and (answer := _ask_machine(settings, request)):
                capacity, gpus = answer
                problems += ((run, item) for item in check_request(request, capacity, gpus, is_certain=False))
        if problems:
            declared = _read_file(session, resolved.asset)
            for subject, problem in problems:
                yield from problem_diagnostics(declared, subject, [problem], Severity.WARNING)


def _ask_machine(settings: Settings, request: RunRequest) -> tuple[Capacity, int | None] | None:
    """Return what this machine has for a run and how many GPUs that takes; None if the backend does not tell."""
    type_name = str(settings["type"])
    try:
        plugin = BACKENDS.load(type_name)
        if not isinstance(plugin, BackendPlugin) or not plugin.machine_capacity:
            return None
        capacity: Capacity = BACKENDS.call(type_name, plugin.machine_capacity, settings, request)
        return capacity, plugin.count_gpus(settings, request)
    except UserError:
        return None  # of a plug-in that cannot be used; its runs say so


def _read_file(session: Session, asset: Asset) -> AssetSet:
    """Return what the file of an asset declares, for the positions in it."""
    return load_assets(session.tree, [(asset.source, IncludeGlob("**", mirrors=session.config.mirrors))])


def _jobs_by_backend(session: Session, submissions: Iterable[Action]) -> Mapping[str, list[Address]]:
    jobs: dict[str, list[Address]] = {}
    for resolved in (action.resolved for action in submissions if action.resolved):
        runs = runs_of(resolved.asset, resolved.graph)
        for name in dict.fromkeys(session.config.backend_of(compute_name(run.asset)) for run in runs):
            jobs.setdefault(name, []).append(resolved.asset.address)
    return jobs
