"""Where a run is tracked: by the runner itself, or by the server that the workspace names."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from ..result import LOG, METRICS, Status, Tracked  # noqa: TID252 - this package is shipped under another name
from ..spec import Spec  # noqa: TID252 - this package is shipped under another name
from .artifacts import Artifacts
from .calls import Calls
from .models import Models
from .remote import Remote
from .runs import EXPERIMENT, Runs
from .server import serve


class Session(Protocol):
    """A tracked run: what its command has to know, and what it has logged in the end."""

    @property
    def variables(self) -> Mapping[str, str]: ...

    def finish(self, status: Status) -> Tracked: ...


@dataclass(frozen=True, slots=True)
class _Own:
    variables: Mapping[str, str]
    runs: Runs

    def finish(self, _status: Status) -> Tracked:
        return self.runs.main.tracked()


@contextmanager
def open_tracking(spec: Spec) -> Iterator[Session]:
    """Have the run tracked until the block is left; a server elsewhere that does not answer is a staging failure."""
    if spec.tracking is not None:
        credentials = {**spec.environment, **spec.variables}
        yield Remote(spec.tracking, spec.run, spec.address, credentials, spec.folder / LOG)
        return
    token = secrets.token_hex(32)
    artifacts = Artifacts(spec.folder / "artifacts")
    runs = Runs(spec.run, spec.folder / METRICS)
    try:
        with serve(Calls(runs, Models(), artifacts), artifacts, token) as address:
            yield _Own(_variables(address, token, spec.run), runs)
    finally:
        runs.close()


def _variables(address: str, token: str, run: str) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": run,
        "MLFLOW_EXPERIMENT_ID": EXPERIMENT,
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # nobody can open a page there
    }
