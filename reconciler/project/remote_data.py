"""Data that mlgit does not store, brought into the object store for a command: what a version or a URI stands for.

It is brought once for what its service says of it, as for a run; see `engine.remote_contents`.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from reconciler.diagnostics import user_error
from reconciler.engine.downloads import store_web_file
from reconciler.engine.locations import changed_error, is_changed, locate
from reconciler.engine.remote_contents import bring
from reconciler.format.mirrors import find_mirror
from reconciler.model import Record, State
from reconciler.model.content import Content
from reconciler.model.datastores import Location, OpenDatastore
from reconciler.model.object_store import ObjectStore
from reconciler.planning.data_places import Datastores
from reconciler.planning.remote_paths import find_path_problem
from reconciler.planning.uri_inputs import find_location, find_pinned_content, location_uri
from reconciler.project.datastores import open_datastores
from reconciler.project.export import open_recorded_store
from reconciler.project.state_session import StateSession, ignore_note
from reconciler.secrets.urls import mask_url_secrets
from reconciler.storage.web_error import WebError


class RemoteData(NamedTuple):
    """What brings remote data: the datastores that are live, and the object store."""

    session: StateSession
    state: State
    store: ObjectStore
    datastores: Datastores
    open_datastore: OpenDatastore

    def fetch_version(self, record: Record) -> Content | None:
        """Return the data of a version, as it was registered; None if it is nowhere that mlgit can read.

        Raises UserError ``input-changed`` if it is not what was registered, and as `fetch`.
        """
        uri = location_uri(record)
        pinned, own = find_location(record), find_pinned_content(record)
        if not uri or own is not None:
            return own
        return self.fetch(uri, record.address.format_with_version(record.version), pinned)

    def fetch(
        self, uri: str, version: str = "", pinned: Location | None = None, *, is_file: bool = False
    ) -> Content | None:
        """Return what is behind a URI; None if mlgit cannot read it.

        Raises UserError ``input-changed`` if that is not what a version was ``pinned`` to, ``input-not-a-file`` if it
        is a folder and has to be a file, ``url-local``, ``path-outside``, ``download-failed``, and those of the
        datastore.
        """
        config = self.session.config
        if problem := find_path_problem(uri, config):
            raise user_error(problem.code, problem.message, problem.hint)
        try:
            location = locate(uri, self.datastores, self.open_datastore)
            if location is None:
                return None
            if pinned is not None and is_changed(pinned, location):
                raise changed_error(version, uri, pinned, location)
            if is_file and location.is_folder:
                raise user_error("input-not-a-file", f"{uri} is a folder, and one file is needed", "name a file")
            if not location.datastore:
                source = find_mirror(config.mirrors, uri).url or uri
                return store_web_file(config, self.store, uri, source).content
            return bring(
                self.store,
                self.open_datastore(location.datastore),
                location,
                self.session.workspace.local_folder,
                ignore_note,
            )
        except WebError as error:
            message, hint = mask_url_secrets(str(error)), mask_url_secrets(error.hint)
            raise user_error("download-failed", message, hint) from error


def open_remote_data(session: StateSession, state: State) -> RemoteData:
    """Return what brings the remote data of a workspace into its object store."""
    open_store = partial(open_recorded_store, session, state)
    datastores = Datastores(session.config, current=state.current)
    opener = open_datastores(session, open_store)(datastores.live_specs())
    return RemoteData(session, state, open_store(), datastores, opener)
