"""The builders of environments: open them, and ask what a person must know of the environments that a plan builds."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from reconciler import builders
from reconciler.abbreviation import join_some
from reconciler.diagnostics import UserError
from reconciler.model import Op, Plan, ResolvedAsset
from reconciler.model.builder import Builder
from reconciler.project.state_session import StateSession
from reconciler.source.cache import entry_key


def open_builders(session: StateSession) -> dict[str, Builder]:
    """Open the builders of environments."""
    cache = os.environ.get("MLGIT_CACHE_DIR")
    root = Path(cache) / "environments" if cache else None
    return {name: builders.load_builder(settings, root) for name, settings in session.config.builders.items()}


def build_notes(session: StateSession, plan: Plan) -> tuple[str, ...]:
    """Return the notes of the builder on the environments that a plan builds; errors are left to the build."""
    environments: dict[str, list[str]] = {}
    for action in plan.actions:
        if action.op is Op.BUILD and action.resolved is not None:
            for note in _notes_on_build(session, action.resolved):
                environments.setdefault(note, []).append(str(action.address))
    return tuple(f"{join_some(addresses)}: {note}" for note, addresses in environments.items())


def _notes_on_build(session: StateSession, resolved: ResolvedAsset) -> tuple[str, ...]:
    """Return the notes on one environment; the cache remembers them, so that a plan need not load the builder."""
    cache, spec = session.workspace.cache, resolved.asset.spec
    key = entry_key("build notes", dict(session.config.builders), spec)
    with suppress(ValueError):
        if (value := cache.find_entry(key)) is not None:
            return tuple(map(str, json.loads(value)))
    for builder in open_builders(session).values():  # the first that can build it
        with suppress(UserError):
            notes = tuple(builder.plan(str(resolved.asset.address), resolved.fingerprint, spec).notes)
            cache.store_entries({key: json.dumps(notes)})
            return notes
    return ()
