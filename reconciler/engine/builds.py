"""Environments that are built: which builder makes one, and the lock that is recorded of it."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.diagnostics import user_error
from reconciler.engine.providers import Providers
from reconciler.model import Json, Record
from reconciler.model.builder import Built, ReportProgress

BUILDS = "builds"
"""The key of what is recorded of an environment: its builds, by the name of the builder."""


def choose_builder(providers: Providers, spec: Mapping[str, Json], backend: str = "") -> str:
    """Return the name of the first builder of mlgit.yml that can build an environment, for runs of a backend.

    If none can, the first one is returned, which says why. Raises UserError ``environment-form`` if no builder makes
    what the backend accepts.
    """
    names = [name for name in providers.builders if not backend or providers.is_accepted(name, backend)]
    if not names:
        message = f"no builder of mlgit.yml makes environments that the backend {backend} accepts"
        raise user_error("environment-form", message, "add one to builders:, or bind the compute to another backend")
    if len(names) == 1:
        return names[0]
    able = (name for name in names if not any(problem.is_certain for problem in providers.builders[name].check(spec)))
    return next(able, names[0])


def build_environment(
    providers: Providers, record: Record, builder_name: str, report_progress: ReportProgress
) -> Built:
    """Return the environment of a record as a builder has built it; with a recorded lock, exactly as it was."""
    builder = providers.builders[builder_name]
    built = builder.find(record.fingerprint)
    if built is not None:
        return built
    plan = builder.plan(str(record.address), record.fingerprint, record.spec, _recorded_lock(record, builder_name))
    return builder.build(plan, providers.store, report_progress)


def _recorded_lock(record: Record, builder_name: str) -> str:
    """Return the lock of the first build of an environment by a builder, "" if there is none."""
    return str(record.realised.get(BUILDS, {}).get(builder_name, {}).get("lock", ""))
