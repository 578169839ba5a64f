"""Opens the tracking of a run: by the runner itself, or by the tracking server of the spec.

Loads by name: many scripts log nothing, and the code of the server takes as long to load as all the rest of the runner.
So a run has a port only, and its first call loads what answers (``local``); another server is asked by ``remote``.
"""

from __future__ import annotations

import importlib
import os
import select
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from ..result import FinalStatus, TrackedValues  # noqa: TID252 - this package is shipped under another name
from ..spec import RunSpec  # noqa: TID252 - this package is shipped under another name

EXPERIMENT_ID = "0"  # a job has one experiment, whatever name its script uses
_BACKLOG = 128
_TOKEN_BYTES = 32


class TrackingSession(Protocol):
    """A run that is tracked: the variables for its command, and what it has logged when it ends."""

    @property
    def variables(self) -> Mapping[str, str]: ...

    def finish(self, status: FinalStatus) -> TrackedValues: ...


class _ListeningTracking:
    """A port of the loopback interface, and from the first call on the server behind it."""

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._token = os.urandom(_TOKEN_BYTES).hex()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._stop_read, self._stop_write = os.pipe()
        self._lock = threading.Lock()
        self._is_stopped = False
        self._tracking: Any = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def variables(self) -> Mapping[str, str]:
        return _client_variables(f"http://127.0.0.1:{self._listener.getsockname()[1]}", self._token, self._spec)

    def finish(self, _status: FinalStatus) -> TrackedValues:
        with self._lock:
            return self._tracking.tracked_values() if self._tracking else TrackedValues()

    def stop(self) -> None:
        """Close the port."""
        with self._lock:
            self._is_stopped = True
        os.write(self._stop_write, b".")
        if self._tracking:
            self._tracking.stop()
        self._thread.join()
        self._listener.close()
        os.close(self._stop_read)
        os.close(self._stop_write)

    def _serve(self) -> None:
        """Wait for the first call, then answer all."""
        events = select.poll()
        events.register(self._listener, select.POLLIN)
        events.register(self._stop_read, select.POLLIN)
        events.poll()
        with self._lock:
            if self._is_stopped:
                return
            module = importlib.import_module(".local", __package__)
            self._tracking = module.LocalTracking(self._spec, self._listener, self._token)
        self._tracking.serve()


@contextmanager
def open_tracking(spec: RunSpec) -> Iterator[TrackingSession]:
    """Track the run inside of the block; raises RunFailedError if another server is to track it and does not answer."""
    if spec.tracking_server is not None:
        yield importlib.import_module(".remote", __package__).RemoteTracking(spec.tracking_server, spec)
        return
    tracking = _ListeningTracking(spec)
    try:
        yield tracking
    finally:
        tracking.stop()


def _client_variables(address: str, token: str, spec: RunSpec) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": spec.run,
        "MLFLOW_EXPERIMENT_ID": EXPERIMENT_ID,
        "MLFLOW_EXPERIMENT_NAME": spec.experiment,
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # that server has no web pages
    }
