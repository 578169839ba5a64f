"""What this machine has of the environments that a plan builds: a forecast beside the plan, no part of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.diagnostics import UserError
from reconciler.model import Action, BuilderChoice, BuildForecast, Op, State
from reconciler.model.builder import Builder
from reconciler.model.tasks import Prefix
from reconciler.planning.builds import lock_before, recorded_lock
from reconciler.planning.packages import diff_locks
from reconciler.project.builder import open_builders
from reconciler.project.session import Session


def forecast_builds(session: Session, state: State, actions: Sequence[Action]) -> tuple[BuildForecast, ...]:
    """Return the forecast of each build of a plan.

    Why a builder could not be asked is a forecast too: no plan fails for it.
    """
    builds = [action for action in actions if action.op is Op.BUILD and action.resolved]
    if not builds:
        return ()
    try:
        builders = open_builders(session)
    except UserError as error:  # said where it is used
        return tuple(
            BuildForecast(action.address, choice.builder, not_asked=error.diagnostics[0].message)
            for action in builds
            for choice in action.builders
        )
    return tuple(forecast for action in builds for forecast in _forecast_build(builders, state, action))


def _forecast_build(builders: Mapping[str, Builder], state: State, action: Action) -> Iterator[BuildForecast]:
    fingerprint = action.resolved.fingerprint if action.resolved else ""
    for choice in action.builders:
        try:
            yield _ask_builder(builders[choice.builder], state, action, choice, fingerprint)
        except UserError as error:
            yield BuildForecast(action.address, choice.builder, not_asked=error.diagnostics[0].message)
        except Exception as error:  # noqa: BLE001 - whatever a builder raises is shown, and the plan stands without it
            yield BuildForecast(action.address, choice.builder, not_asked=f"{type(error).__name__}: {error}")


def _ask_builder(
    builder: Builder, state: State, action: Action, choice: BuilderChoice, fingerprint: str
) -> BuildForecast:
    built = builder.find(fingerprint)
    before = lock_before(state, action, [choice.builder])
    is_compared = before is not None and action.packages is None
    if built is None:
        is_locked = recorded_lock(state, fingerprint, [choice.builder]) is not None
        return BuildForecast(action.address, choice.builder, is_locked=is_locked, is_compared=is_compared)
    packages = diff_locks(before, built.lock) if before is not None and is_compared else None
    folder = built.environment.path if isinstance(built.environment, Prefix) else ""
    python = built.python_version or built.platform
    return BuildForecast(action.address, choice.builder, python, packages=packages, folder=folder)
