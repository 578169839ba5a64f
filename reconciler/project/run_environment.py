"""The environment of a run: its name, and the build that the run got."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Asset, Run, State
from reconciler.planning.environments import ENVIRONMENT_POINTER, resolve_implicit_environment
from reconciler.project.recorded_builds import RecordedBuild, decode_builds


class RunEnvironment(NamedTuple):
    """The environment of a run; ``identity`` is "" if it was not built yet, ``build`` None if no build is recorded."""

    name: str
    identity: str
    build: RecordedBuild | None


def find_run_environment(state: State, run: Run) -> RunEnvironment | None:
    """Return the environment of a run, declared in a file or not; None if its job names none.

    Which build a step got is not recorded: it is the first one of its environment.
    """
    name, fingerprint = _name_and_fingerprint(state, run)
    if not name:
        return None
    identity = str(run.realised.get("environment", ""))
    builds = decode_builds(state.find_builds(fingerprint), ()) if fingerprint else []
    return RunEnvironment(
        name, identity, next((build for build in builds if run.step or build.identity == identity), None)
    )


def _name_and_fingerprint(state: State, run: Run) -> tuple[str, str]:
    reference = run.references.get(ENVIRONMENT_POINTER)
    if reference is not None:
        return str(reference), reference.fingerprint
    environment = resolve_implicit_environment(Asset(run.address, run.spec, ""), state.find_pin)
    return (str(environment.asset.address), environment.fingerprint) if environment else ("", "")
