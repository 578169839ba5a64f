"""Opens the tracking of a run: by the runner itself, or by the tracking server of the spec."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from ..artifacts import LOGGED_FOLDER  # noqa: TID252 - this package is shipped under another name
from ..result import LOG_FILE, METRICS_FILE, FinalStatus, TrackedValues  # noqa: TID252 - this package is shipped under another name
from ..spec import RunSpec  # noqa: TID252 - this package is shipped under another name
from .artifacts import ArtifactStore
from .calls import TrackingApi
from .models import LoggedModels
from .registered import RegisteredModels
from .registry_calls import RegistryApi
from .remote import RemoteTracking
from .runs import EXPERIMENT_ID, TrackedRuns
from .server import serve_tracking


class TrackingSession(Protocol):
    """A run that is tracked: the variables for its command, and what it has logged when it ends."""

    @property
    def variables(self) -> Mapping[str, str]: ...

    def finish(self, status: FinalStatus) -> TrackedValues: ...


@dataclass(frozen=True, slots=True)
class _LocalTracking:
    variables: Mapping[str, str]
    runs: TrackedRuns

    def finish(self, _status: FinalStatus) -> TrackedValues:
        return self.runs.main.tracked_values()


@contextmanager
def open_tracking(spec: RunSpec) -> Iterator[TrackingSession]:
    """Track the run inside of the block; raises RunFailedError if another server is to track it and does not answer."""
    if spec.tracking_server is not None:
        yield RemoteTracking(spec.tracking_server, spec)
        return
    token = secrets.token_hex(32)
    artifacts = ArtifactStore(spec.folder / LOGGED_FOLDER)
    runs = TrackedRuns(spec.run, spec.folder / METRICS_FILE, spec.commit)
    try:
        with serve_tracking(_make_api(spec, runs, artifacts), artifacts, token) as address:
            yield _LocalTracking(_client_variables(address, token, spec), runs)
    finally:
        runs.close()


def _make_api(spec: RunSpec, runs: TrackedRuns, artifacts: ArtifactStore) -> TrackingApi:
    def write_note(note: str) -> None:
        with (spec.folder / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(note)

    models = LoggedModels()
    outputs = {name: output.type for name, output in spec.outputs.items()}
    registered = RegisteredModels(spec.address.partition("/")[2], outputs, write_note)
    return TrackingApi(runs, models, artifacts, RegistryApi(registered, models), spec.experiment)


def _client_variables(address: str, token: str, spec: RunSpec) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": spec.run,
        "MLFLOW_EXPERIMENT_ID": EXPERIMENT_ID,
        "MLFLOW_EXPERIMENT_NAME": spec.experiment,
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # that server has no web pages
    }
