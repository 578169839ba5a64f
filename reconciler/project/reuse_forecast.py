"""What the object store says of the pipelines that a plan submits: a forecast beside the plan, no part of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.diagnostics import UserError
from reconciler.engine.driver.forecast import KnownContents, forecast_reuse
from reconciler.model import Action, Op, ReuseForecast, State, StepGraph
from reconciler.project.session import Session
from reconciler.project.store import open_store
from reconciler.source.gc_pause import pause_gc
from reconciler.state.process import host_name


@pause_gc()
def forecast_reuse_of(session: Session, state: State, actions: Sequence[Action]) -> tuple[ReuseForecast, ...]:
    """Return the forecast of each pipeline that is submitted and may reuse steps.

    Why the store could not be asked is a forecast too: no plan fails for it.
    """
    submitted = [(action, action.resolved.graph) for action in actions if action.op is Op.SUBMIT and action.resolved]
    asked = [(action, graph) for action, graph in submitted if graph is not None and graph.reuses_results]
    if not asked:
        return ()
    if not session.config.has_store(host_name()):
        return _not_asked(asked, f"the store is on {session.config.store_host} only")
    planned = {
        (action.address, action.version): action.resolved
        for action in actions
        if action.version and action.resolved is not None and action.op is not Op.SUBMIT
    }
    try:
        contents = KnownContents(open_store(session), session.tree, state, session.config, planned)
        return tuple(
            ReuseForecast(action.address, forecast_reuse(graph, action.steps, contents)) for action, graph in asked
        )
    except UserError as error:
        return _not_asked(asked, error.diagnostics[0].message)
    except Exception as error:  # noqa: BLE001 - whatever a store raises is shown, and the plan stands without it
        return _not_asked(asked, f"{type(error).__name__}: {error}")


def _not_asked(asked: Iterable[tuple[Action, StepGraph]], reason: str) -> tuple[ReuseForecast, ...]:
    return tuple(ReuseForecast(action.address, not_asked=reason) for action, _ in asked)
