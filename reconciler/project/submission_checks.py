"""Ask backends what would stop the runs of a plan that is shown on this machine: warnings, and no part of the plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.abbreviation import join_some
from reconciler.backends import BACKENDS
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Action, Address
from reconciler.model.plugins import BackendPlugin
from reconciler.planning.compute import compute_name
from reconciler.planning.subjects import runs_of
from reconciler.project.session import Session
from reconciler.state.process import host_name


def report_refused_submissions(session: Session, submissions: Iterable[Action]) -> bool:
    """Report why backends would refuse runs that a plan submits; return True if there is something."""
    found = tuple(_find_refusals(session, submissions))
    if found:
        session.on_refusals(session.tree, found)
    return bool(found)


def _find_refusals(session: Session, submissions: Iterable[Action]) -> Iterator[Diagnostic]:
    here = session.config.reachable_backends(host_name())
    for name, jobs in _jobs_by_backend(session, submissions).items():
        settings = here.get(name, {})
        type_name = str(settings.get("type", ""))
        try:
            plugin = BACKENDS.load(type_name) if name in here else None
            source = plugin.find_refusals if isinstance(plugin, BackendPlugin) else ""
            refusals: Iterable[Diagnostic] = BACKENDS.call(type_name, source, settings) if source else ()
        except UserError:
            continue  # of a plug-in that cannot be used; its runs say so
        for refusal in refusals:
            yield refusal._replace(message=f"{join_some(list(map(str, jobs)))}: {name}: {refusal.message}")


def _jobs_by_backend(session: Session, submissions: Iterable[Action]) -> Mapping[str, list[Address]]:
    jobs: dict[str, list[Address]] = {}
    for resolved in (action.resolved for action in submissions if action.resolved):
        runs = runs_of(resolved.asset, resolved.graph)
        for name in dict.fromkeys(session.config.backend_of(compute_name(run.asset)) for run in runs):
            jobs.setdefault(name, []).append(resolved.asset.address)
    return jobs
