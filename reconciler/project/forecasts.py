"""What is known beside a plan that is shown, no part of it: what providers have of it, and what differs in tables.

Imported by name: the modules that ask for builds, for pipelines and for tables, each only for a plan that has some.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from reconciler.model import Action, Forecast, Op, State, has_changed_files
from reconciler.project.session import Session


def forecast_actions(session: Session, state: State, actions: Sequence[Action]) -> tuple[Forecast, ...]:
    """Return what the object store has of pipelines that are submitted, and this machine of what is built.

    Of data that changed, it is what differs in its tables.
    """
    builds: tuple[Forecast, ...] = ()
    reused: tuple[Forecast, ...] = ()
    if any(action.op is Op.BUILD for action in actions):
        module = importlib.import_module("reconciler.project.build_forecast")
        builds = module.forecast_builds(session, state, actions)
    if any(action.op is Op.SUBMIT and action.steps for action in actions):
        module = importlib.import_module("reconciler.project.reuse_forecast")
        reused = module.forecast_reuse_of(session, state, actions)
    compared: tuple[Forecast, ...] = ()
    if any(map(has_changed_files, actions)):
        module = importlib.import_module("reconciler.project.table_comparisons")
        compared = module.compare_changed_tables(session, actions)
    return *builds, *reused, *compared
