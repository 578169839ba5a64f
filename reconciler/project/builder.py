"""The builder of environments: open it, and ask it what a person must know of the environments that a plan builds."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from reconciler import builders
from reconciler.abbreviation import join_some
from reconciler.builders import Builder
from reconciler.diagnostics import UserError
from reconciler.model import Op, Plan
from reconciler.project.state_session import StateSession


def open_builder(session: StateSession) -> Builder:
    """Open the builder of environments."""
    cache = os.environ.get("MLGIT_CACHE_DIR")
    return builders.load_builder(session.config.builder, Path(cache) / "environments" if cache else None)


def build_notes(session: StateSession, plan: Plan) -> tuple[str, ...]:
    """Return the notes of the builder on the environments that a plan builds; errors are left to the build."""
    builder = open_builder(session)
    environments: dict[str, list[str]] = {}
    for action in plan.actions:
        if action.op is Op.BUILD and action.resolved is not None:
            spec = action.resolved.asset.spec
            with suppress(UserError):
                for note in builder.plan_build(str(action.address), action.resolved.fingerprint, spec).notes:
                    environments.setdefault(note, []).append(str(action.address))
    return tuple(f"{join_some(addresses)}: {note}" for note, addresses in environments.items())
