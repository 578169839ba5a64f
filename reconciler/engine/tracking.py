"""Mirror ended runs and versions of models into an MLflow registry, and compare it with them.

What was mirrored before is found by a tag with its token. A mirror that was cut is completed: a run that has not ended
there is written again. The versions of a registered model are numbered by the server, so the number of mlgit is a tag.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model import DEFAULT_ARTIFACTS, Json, State
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore
from reconciler.planning.drift import Drift
from reconciler.planning.tracked import (
    CURRENT_ALIAS,
    LINEAGE_TAG,
    MODELS_EXPERIMENT,
    TOKEN_TAG,
    TrackedRun,
    TrackedVersion,
    tracked_runs,
    tracked_versions,
)
from reconciler.timestamps import parse_timestamp
from reconciler.tracking.client import Document, TrackingClient

_GONE, _CHANGED = "tracking-gone", "tracking-changed"
_ENDED = frozenset({"FINISHED", "FAILED", "KILLED"})
_REMEDY = "apply mirrors it again"
_MODELS_FOLDER = "mlgit-models"


@dataclass(slots=True)
class Mirror:
    """A registry, the live state and the store that it is to have; ``mirrored`` are its runs by token."""

    client: TrackingClient
    state: State
    store: ObjectStore
    has_artifacts: bool = True
    mirrored: dict[str, Document] = field(default_factory=dict)

    def write(self) -> tuple[int, int]:
        """Write what the registry lacks; return how many runs and versions that were.

        Raises TrackingError, and UserError of the store.
        """
        runs = list(tracked_runs(self.state))
        self._find_runs(runs)
        new_runs = [run for run in runs if not _is_ended(self.mirrored.get(run.token))]
        for run in new_runs:
            self._write_run(run)
        return len(new_runs), sum(map(self._write_version, tracked_versions(self.state)))

    def find_drift(self) -> Iterator[Drift]:
        """Yield where the registry differs from the live state. Raises TrackingError."""
        runs = list(tracked_runs(self.state))
        self._find_runs(runs)
        for run in runs:
            yield from _compare_run(self.client.url, run, self.mirrored.get(run.token))
        for version in tracked_versions(self.state):
            yield from self._compare_version(version)

    def _find_runs(self, runs: Iterable[TrackedRun]) -> None:
        names = dict.fromkeys((*(run.experiment for run in runs), MODELS_EXPERIMENT))
        experiments = list(filter(None, map(self.client.find_experiment, names)))
        for found in self.client.search_runs(experiments, LINEAGE_TAG, self.state.lineage):
            self.mirrored[_tags(found["data"])[TOKEN_TAG]] = found

    def _write_run(self, tracked: TrackedRun) -> None:
        run, found = tracked.run, self.mirrored.get(tracked.token)
        started, ended = _milliseconds(run.started_at or run.submitted_at), _milliseconds(run.ended_at)
        if found is None:
            experiment = self.client.ensure_experiment(tracked.experiment)
            info = self.client.create_run(experiment, run.id, started, tracked.tags)
        else:
            info = found["info"]
        metrics = [
            {"key": name, "value": value, "timestamp": ended or started, "step": 0}
            for name, value in tracked.metrics.items()
        ]
        self.client.log_batch(info["run_id"], tracked.params, metrics)
        for name, output in run.outputs.items() if self.has_artifacts else ():
            if "md5" in (output or ()):
                folder = "" if name == DEFAULT_ARTIFACTS else f"{name}/"
                self._upload(info, folder, Content.from_json(output))
        self.client.end_run(info["run_id"], tracked.status, ended)
        self.mirrored[tracked.token] = {"info": {**info, "status": tracked.status}, "data": {}}

    def _upload(self, info: Document, folder: str, content: Content) -> None:
        for file in self.store.manifest(content):
            with self.store.open(file.digest) as stream:
                self.client.upload_artifact(info["artifact_uri"], f"{folder}{file.path}", stream)

    def _write_version(self, version: TrackedVersion) -> bool:
        self.client.ensure_model(version.name)
        number = self._find_version(version)
        if not number:
            info, folder = self._holder(version), f"{_MODELS_FOLDER}/{version.label}"
            content = Content.from_json(version.record.realised["contents"]["/path"])
            name = str(version.record.realised.get("name", "")) if content.is_folder else ""
            source = "/".join(filter(None, (folder, name)))
            self._upload(info, f"{source}/", content)
            uri = f"{info['artifact_uri']}/{source}"
            number = self.client.create_version(version.name, uri, info["run_id"], version.tags)
            self.client.set_alias(version.name, CURRENT_ALIAS, number)
            return True
        if self.client.find_alias(version.name, CURRENT_ALIAS) != number:
            self.client.set_alias(version.name, CURRENT_ALIAS, number)
        return False

    def _holder(self, version: TrackedVersion) -> Document:
        """Return the run whose artifacts have the files of a version: the one that made it, else one of its own."""
        run_id = version.tags.get("mlgit.run", "")
        makers = (found for found in self.mirrored.values() if run_id and found["info"].get("run_name") == run_id)
        own = self.mirrored.get(version.token)
        if (holder := next(makers, own)) is not None:
            info: Document = holder["info"]
            return info
        experiment = self.client.ensure_experiment(MODELS_EXPERIMENT)
        created = _milliseconds(version.record.applied_at)
        info = self.client.create_run(experiment, version.label, created, version.tags)
        self.client.end_run(info["run_id"], "FINISHED", created)
        return info

    def _find_version(self, version: TrackedVersion) -> str:
        """Return the number that the server gave to a version, "" if it has none."""
        for found in self.client.search_versions(version.name):
            if _tags(found).get(TOKEN_TAG) == version.token:
                return str(found["version"])
        return ""

    def _compare_version(self, version: TrackedVersion) -> Iterator[Drift]:
        number = self._find_version(version)
        if not number:
            yield _drift(_GONE, version.label, f"it is not in the MLflow registry {self.client.url}")
        elif (aliased := self.client.find_alias(version.name, CURRENT_ALIAS)) != number:
            named = f"version {aliased}" if aliased else "nothing"
            message = f"the alias {CURRENT_ALIAS} in {self.client.url} is {named}, and it is version {number} there"
            yield _drift(_CHANGED, version.label, message)


def _compare_run(url: str, tracked: TrackedRun, found: Document | None) -> Iterator[Drift]:
    subject = f"run {tracked.run.id}"
    if not _is_ended(found) or found is None:
        yield _drift(_GONE, subject, f"it is not in the MLflow registry {url}")
        return
    metrics = {item["key"]: item["value"] for item in found["data"].get("metrics", ())}
    for name, value in tracked.metrics.items():
        if not _is_same(metrics.get(name), value):
            there = metrics.get(name, "missing")
            message = f"its metric {name} in {url} is {there}, and it was recorded as {value}"
            yield _drift(_CHANGED, subject, message, "correct it there, or delete it there: apply mirrors it again")


def _drift(drift_type: str, subject: str, message: str, remedy: str = _REMEDY) -> Drift:
    return Drift(subject, drift_type, message, remedy)


def _is_same(found: Json, recorded: Json) -> bool:
    if found is None:
        return False
    values = float(found), float(recorded)
    return math.isclose(*values, rel_tol=1e-12) or all(map(math.isnan, values))


def _is_ended(found: Document | None) -> bool:
    return found is not None and found["info"].get("status") in _ENDED


def _tags(document: Document) -> Mapping[str, Any]:
    return {item["key"]: item.get("value", "") for item in document.get("tags", ())}


def _milliseconds(timestamp: str) -> int:
    """Return the milliseconds of a time stamp as MLflow has them, 0 if it is missing or damaged."""
    try:
        return int(parse_timestamp(timestamp).timestamp() * 1000)
    except ValueError:
        return 0
