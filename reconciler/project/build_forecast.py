"""What this machine has of the environments that a plan builds: a forecast beside the plan, no part of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.builders import BUILDERS, load_builder
from reconciler.diagnostics import UserError
from reconciler.model import Action, BuilderChoice, BuildForecast, FinishedBuild, Op, State
from reconciler.planning.builds import lock_before, recorded_lock
from reconciler.planning.packages import diff_locks
from reconciler.project.environment_uses import environments_folder
from reconciler.project.session import Session


def forecast_builds(session: Session, state: State, actions: Sequence[Action]) -> tuple[BuildForecast, ...]:
    """Return the forecast of each build of a plan.

    Why a builder could not be asked is a forecast too: no plan fails for it.
    """
    builds = [action for action in actions if action.op is Op.BUILD and action.resolved]
    return tuple(forecast for action in builds for forecast in _forecast_build(session, state, action))


def _forecast_build(session: Session, state: State, action: Action) -> Iterator[BuildForecast]:
    fingerprint = action.resolved.fingerprint if action.resolved else ""
    for choice in action.builders:
        try:
            yield _ask_builder(session, state, action, choice, fingerprint)
        except UserError as error:
            yield BuildForecast(action.address, choice.builder, not_asked=error.diagnostics[0].message)
        except Exception as error:  # noqa: BLE001 - whatever a builder raises is shown, and the plan stands without it
            yield BuildForecast(action.address, choice.builder, not_asked=f"{type(error).__name__}: {error}")


def _ask_builder(
    session: Session, state: State, action: Action, choice: BuilderChoice, fingerprint: str
) -> BuildForecast:
    built = _find_finished(session, choice.builder, fingerprint)
    before = lock_before(state, action, [choice.builder])
    is_compared = before is not None and action.packages is None
    if built is None:
        is_locked = recorded_lock(state, fingerprint, [choice.builder]) is not None
        return BuildForecast(action.address, choice.builder, is_locked=is_locked, is_compared=is_compared)
    packages = diff_locks(before, built.lock) if before is not None and is_compared else None
    return BuildForecast(action.address, choice.builder, built.python, packages=packages, folder=built.folder)


def _find_finished(session: Session, name: str, fingerprint: str) -> FinishedBuild | None:
    """Return what a builder has of a fingerprint on this machine, by a function that loads no more if it names one."""
    settings = session.config.builders[name]
    type_name = str(settings["type"])
    folders = (environments_folder(), session.workspace.folder)
    if source := BUILDERS.load(type_name).find:
        found: FinishedBuild | None = BUILDERS.call(type_name, source, settings, *folders, fingerprint)
        return found
    built = load_builder(settings, *folders).find(fingerprint)
    if built is None:
        return None
    folder = getattr(built.environment, "path", "")  # of a prefix, not of an image
    return FinishedBuild(built.python_version or built.platform, built.lock, folder)
