"""A state session: an open workspace with its configuration and its live state, all that most reads need.

Imported by name: ``project.refresh``, which asks the backends, for a run that has not ended, and its files;
``project.builder``, if a plan builds an environment; ``secret_values``, if mlgit.yml has secrets.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from reconciler.abbreviation import format_duration
from reconciler.config.config import Config
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import UserError
from reconciler.git.remotes import UNREACHABLE_CODES
from reconciler.model import Observation, State
from reconciler.planning.refresh import merge_observation, unfinished_runs
from reconciler.source.config_cache import find_config
from reconciler.source.workspace import Workspace, find_workspace
from reconciler.state.store import LIVE_REF, StateStore

if TYPE_CHECKING:
    from reconciler.model.backend import Backend  # most reads of the state need no backend

OnNote = Callable[[str], None]


def ignore_note(_text: str) -> None:
    """Receive a note and do nothing."""


@dataclass(frozen=True, slots=True)
class StateSession:
    """An open workspace with its configuration. Use it in a ``with`` block, or call ``close``."""

    workspace: Workspace
    config: Config
    on_note: OnNote

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the Git processes that were kept for reading."""
        self.workspace.repository.close()

    def take_secrets(self) -> None:
        """Remove the variables that secrets come from from the environment of this process: see `secret_values`."""
        if self.config.secrets:
            importlib.import_module("reconciler.secret_values").take_from_environment(self.config.secrets)

    @property
    def shared_folder(self) -> Path:
        """The folder of the workspace in the main work tree, where what all linked work trees share is."""
        return self.workspace.repository.main / self.workspace.root

    @property
    def store_path(self) -> Path:
        """The folder of the object store or, if the store is none, the one for what runs need on this machine."""
        return Path(os.path.realpath(self.shared_folder / self.config.store))

    @property
    def state_store(self) -> StateStore:
        """The store of the live state."""
        config = self.config
        repository, reuse_from = self.workspace.repository, config.reuse_from
        return StateStore(repository, config.state, config.lineage, config.target, config.remote, reuse_from)

    @property
    def target_option(self) -> str:
        """The option that a suggested command needs to work on the same target, "" for the default one."""
        return f" --target {self.config.target}" if self.config.target != DEFAULT_TARGET else ""

    def fetch_state(self) -> str:
        """Fetch the live state; return a warning with its age if the remote is unreachable and a copy is here."""
        refs = self.state_store.ref_store
        try:
            refs.fetch()
        except UserError as error:
            diagnostic = error.diagnostics[0]
            if diagnostic.code not in UNREACHABLE_CODES or not refs.read_ref(LIVE_REF):
                raise
            age = format_duration(refs.seconds_since_fetch())
            return f"{diagnostic.message}; using the live state fetched {age} ago"
        return ""

    def fetch_and_read_state(self) -> State:
        """Fetch the live state and read it; raise UserError if the remote is unreachable."""
        self.state_store.ref_store.fetch()
        return self.state_store.read()

    def read_recorded_state(self) -> State:
        """Read the live state as recorded; send a note if the remote is unreachable and the copy here may be old."""
        if warning := self.fetch_state():
            self.on_note(warning)
        return self.state_store.read()

    def read_refreshed_state(self) -> State:
        """Read the live state and merge the status of runs that the backends report; write nothing.

        Runs stay as recorded if their artifacts are in another store than this session's.
        """
        state = self.read_recorded_state()
        observation = self.observe_runs(state)
        return merge_observation(state, observation)[0] if observation else state

    def open_backends(self) -> dict[str, Backend]:
        """Open the backends that are reachable from this machine."""
        opened: dict[str, Backend] = _refresh_module().open_backends(self)
        return opened

    def observe_runs(self, state: State) -> Observation | None:
        """Ask the backends for the runs that have not ended; None if there are none, or their store is another one."""
        if next(unfinished_runs(state), None) is None:
            return None
        observation: Observation | None = _refresh_module().observe_runs(self, state)
        return observation

    def observe_providers(self, state: State) -> Observation:
        """Ask all providers; raise UserError if the store is not the one that the state belongs to."""
        observation: Observation = _refresh_module().observe_providers(self, state)
        return observation

    def fetch_state_hint(self, state: State) -> str:
        """Return how to fetch a live state that this clone may lack, "" if there is one or no remote to fetch from."""
        remote = "" if state.commit or self.config.remote else self.workspace.repository.default_remote()
        fetch = f"git fetch {remote} 'refs/mlgit/*:refs/mlgit/*'"
        return f"If this was applied elsewhere, fetch the live state: {fetch}" if remote else ""


def _refresh_module() -> Any:
    return importlib.import_module("reconciler.project.refresh")


def find_state_session(folder: Path, target: str, on_note: OnNote) -> StateSession | None:
    """Return a session of the workspace that contains a folder; None if its mlgit.yml is not in the local cache.

    Raises UserError if there is no workspace.
    """
    try:
        workspace = find_workspace(folder)
    except UserError as error:
        if error.diagnostics[0].code not in {"not-a-workspace", "not-a-git-repository"}:
            raise
        implicit = importlib.import_module("reconciler.source.implicit_workspace")
        workspace = implicit.find_any_workspace(folder)
        return StateSession(workspace, implicit.read_implicit_config(workspace, target), on_note)
    cached = find_config(workspace.cache, workspace.read_config_file(), target)
    if cached is not None:
        return StateSession(workspace, cached.config, on_note)
    workspace.repository.close()
    return None
