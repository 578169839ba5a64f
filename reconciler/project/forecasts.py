"""What providers say of a plan that is shown: forecasts beside it, no part of it.

Imported by name: the module that asks for builds, and the one for pipelines, each only for a plan that has some.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from reconciler.model import Action, Forecast, Op, State
from reconciler.project.session import Session


def forecast_actions(session: Session, state: State, actions: Sequence[Action]) -> tuple[Forecast, ...]:
    """Return what the object store has of pipelines that are submitted, and this machine of what is built."""
    builds: tuple[Forecast, ...] = ()
    reused: tuple[Forecast, ...] = ()
    if any(action.op is Op.BUILD for action in actions):
        module = importlib.import_module("reconciler.project.build_forecast")
        builds = module.forecast_builds(session, state, actions)
    if any(action.op is Op.SUBMIT and action.steps for action in actions):
        module = importlib.import_module("reconciler.project.reuse_forecast")
        reused = module.forecast_reuse_of(session, state, actions)
    return *builds, *reused
