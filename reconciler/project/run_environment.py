"""The environment of a run: its name, and the build that the run got."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Asset, Run, State, StepRun
from reconciler.planning.environments import ENVIRONMENT_POINTER, resolve_implicit_environment
from reconciler.project.recorded_builds import RecordedBuild, decode_builds


class RunEnvironment(NamedTuple):
    """The environment of a run; ``identity`` is "" if it was not built yet, ``build`` None if no build is recorded."""

    name: str
    identity: str
    build: RecordedBuild | None


def find_run_environment(state: State, run: Run) -> RunEnvironment | None:
    """Return the environment of a run, declared in a file or not; None if its job names none.

    Which build the run of a step got is not known here: it is the first one of its environment.
    """
    name, fingerprint = _name_and_fingerprint(state, run)
    return _find(state, name, fingerprint, str(run.realised.get("environment", "")), any_build=bool(run.step))


def find_step_environment(state: State, step: StepRun) -> RunEnvironment | None:
    """Return the environment of a step; None if it is not recorded."""
    return _find(state, step.environment_name, step.environment_fingerprint, step.environment, any_build=False)


def _find(state: State, name: str, fingerprint: str, identity: str, *, any_build: bool) -> RunEnvironment | None:
    if not name:
        return None
    builds = decode_builds(state.find_builds(fingerprint), ()) if fingerprint else []
    build = next((build for build in builds if any_build or build.identity == identity), None)
    return RunEnvironment(name, identity, build)


def _name_and_fingerprint(state: State, run: Run) -> tuple[str, str]:
    reference = run.references.get(ENVIRONMENT_POINTER)
    if reference is not None:
        return str(reference), reference.fingerprint
    environment = resolve_implicit_environment(Asset(run.address, run.spec, ""), state.find_pin, run.contents)
    return (str(environment.asset.address), environment.fingerprint) if environment else ("", "")
