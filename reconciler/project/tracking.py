"""The MLflow registry of a session: what is recorded is mirrored into it, and drift against it is found.

``engine.tracking`` and ``tracking.client``, which need a library for http, are loaded by name if ``tracking:`` is set.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.abbreviation import pluralize
from reconciler.diagnostics import UserError
from reconciler.model import State
from reconciler.model.secret_bindings import TRACKING_ADDRESS, find_binding
from reconciler.project.state_session import StateSession
from reconciler.project.store import open_store
from reconciler.secret_values import read_secret

if TYPE_CHECKING:
    from reconciler.engine.tracking import Mirror
    from reconciler.planning.drift import Drift

# What reading an answer raises that has other fields: of a login page, of a proxy, of another service.
_ODD_ANSWERS = (LookupError, TypeError, AttributeError, ValueError)
_FIELDS = ("token", "username", "password")


def mirror_records(session: StateSession, on_note: Callable[[str], object]) -> None:
    """Mirror what is recorded into the registry of mlgit.yml, if it has one; a failure is a note, and no error.

    What could not be mirrored is tried again by the next apply.
    """
    if not session.config.tracking:
        return
    client = importlib.import_module("reconciler.tracking.client")
    try:
        runs, versions = _open_mirror(session, session.state_store.read()).write()
    except (client.TrackingError, UserError, *_ODD_ANSWERS) as error:
        on_note(f"not mirrored: {_reason(error)}; the next apply tries it again")
        return
    numbers = (pluralize(number, noun) for number, noun in ((runs, "run"), (versions, "model version")) if number)
    if text := " and ".join(numbers):
        on_note(f"mirrored {text} to {session.config.tracking['url']}")


def find_tracking_drift(session: StateSession, state: State) -> tuple[tuple[Drift, ...], tuple[str, ...]]:
    """Return where the registry differs from what is recorded; second, why it could not be asked."""
    if not session.config.tracking:
        return (), ()
    client = importlib.import_module("reconciler.tracking.client")
    try:
        return tuple(_open_mirror(session, state).find_drift()), ()
    except (client.TrackingError, UserError, *_ODD_ANSWERS) as error:
        return (), (f"{_reason(error)}: runs and versions there were not compared",)


def _reason(error: Exception) -> str:
    if isinstance(error, _ODD_ANSWERS):
        return f"the server at tracking: in mlgit.yml answers what MLflow does not ({type(error).__name__})"
    return error.diagnostics[0].message if isinstance(error, UserError) else str(error)


def _open_mirror(session: StateSession, state: State) -> Mirror:
    settings, secrets = session.config.tracking, session.config.secrets
    bindings = {name: find_binding(secrets, TRACKING_ADDRESS, f"/{name}") for name in _FIELDS}
    values = {name: read_secret(found, session.shared_folder) for name, found in bindings.items() if found}
    client = importlib.import_module("reconciler.tracking.client")
    opened = client.TrackingClient(settings["url"], client.Credentials(**values))
    mirror: Mirror = importlib.import_module("reconciler.engine.tracking").Mirror(
        opened, state, open_store(session), settings.get("artifacts", True)
    )
    return mirror
