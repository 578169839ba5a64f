"""The tracking of a run by the runner itself: what `session` loads when the script makes its first call."""

from __future__ import annotations

import socket
from dataclasses import replace

from ..artifacts import LOGGED_FOLDER  # noqa: TID252 - this package is shipped under another name
from ..result import LOG_FILE, METRICS_FILE, TrackedValues  # noqa: TID252 - this package is shipped under another name
from ..spec import RunSpec  # noqa: TID252 - this package is shipped under another name
from .artifacts import ArtifactStore
from .calls import TrackingApi
from .models import LoggedModels
from .registered import RegisteredModels
from .registry_calls import RegistryApi
from .runs import TrackedRuns
from .server import TrackingServer


class LocalTracking:
    """The server that answers the calls of a run, and what they have logged."""

    def __init__(self, spec: RunSpec, listener: socket.socket, token: str) -> None:
        artifacts = ArtifactStore(spec.folder / LOGGED_FOLDER)
        self._runs = TrackedRuns(spec.run, spec.folder / METRICS_FILE, spec.commit)
        self._models = LoggedModels()
        api = _make_api(spec, self._runs, self._models, artifacts)
        self._server = TrackingServer(listener, api, artifacts, token)

    def serve(self) -> None:
        """Answer calls until `stop` is called in another thread."""
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._runs.close()

    def tracked_values(self) -> TrackedValues:
        """Return what the main run has logged."""
        main = self._runs.main
        return replace(main.tracked_values(), models=self._models.folders_of_run(main.id))


def _make_api(spec: RunSpec, runs: TrackedRuns, models: LoggedModels, artifacts: ArtifactStore) -> TrackingApi:
    def write_note(note: str) -> None:
        with (spec.folder / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(note)

    outputs = {name: output.type for name, output in spec.outputs.items()}
    registered = RegisteredModels(spec.address.partition("/")[2], outputs, write_note)
    return TrackingApi(runs, models, artifacts, RegistryApi(registered, models), spec.experiment)
