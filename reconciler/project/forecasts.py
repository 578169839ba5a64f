"""What providers say of a plan that is shown: forecasts beside it, no part of it."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model import Action, Forecast, State
from reconciler.project.build_forecast import forecast_builds
from reconciler.project.reuse_forecast import forecast_reuse_of
from reconciler.project.session import Session


def forecast_actions(session: Session, state: State, actions: Sequence[Action]) -> tuple[Forecast, ...]:
    """Return what the object store has of pipelines that are submitted, and this machine of what is built."""
    return *forecast_builds(session, state, actions), *forecast_reuse_of(session, state, actions)
