"""What one commit of the live state writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reconciler.model import EMPTY_MAPPING, Address, Builds, Json, Pin, Record, Run
from reconciler.model.downloads import Download
from reconciler.model.step_runs import StepRun
from reconciler.state import codec, paths


class WriteBatch(NamedTuple):
    """What one commit writes: current records, versions and runs for the history, meta data, builds, and downloads.

    ``builds`` are by the fingerprint of the environment; the first build by a builder is kept. ``pins`` are by the name
    of an environment of a registry, ``downloads`` by URL; the first one is kept. Runs that are experiments are recorded
    apart; ``removed_experiments`` are recorded there no longer, nor are ``removed_pins``. ``steps`` are those of
    pipelines and sweeps that have ended, by the id of the run; those of an experiment are removed with it.
    """

    current: tuple[Record, ...] = ()
    removed: tuple[Address, ...] = ()
    versions: tuple[Record, ...] = ()
    runs: tuple[Run, ...] = ()
    meta: Mapping[str, Json] | None = None
    builds: Mapping[str, Builds] = EMPTY_MAPPING
    pins: Mapping[str, Pin] = EMPTY_MAPPING
    removed_experiments: tuple[Run, ...] = ()
    removed_pins: tuple[str, ...] = ()
    downloads: Mapping[str, Download] = EMPTY_MAPPING
    steps: Mapping[str, tuple[StepRun, ...]] = EMPTY_MAPPING

    def __bool__(self) -> bool:
        return any(self)


def merge_write_batches(writes: Iterable[WriteBatch]) -> WriteBatch:
    """Return several writes as one; of meta data the last value counts."""
    batches = tuple(writes)
    return WriteBatch(
        tuple(record for batch in batches for record in batch.current),
        tuple(address for batch in batches for address in batch.removed),
        tuple(version for batch in batches for version in batch.versions),
        tuple(run for batch in batches for run in batch.runs),
        {name: value for batch in batches for name, value in (batch.meta or {}).items()},
        {fingerprint: builds for batch in batches for fingerprint, builds in batch.builds.items()},
        {name: pin for batch in batches for name, pin in batch.pins.items()},
        tuple(run for batch in batches for run in batch.removed_experiments),
        tuple(name for batch in batches for name in batch.removed_pins),
        {url: download for batch in batches for url, download in batch.downloads.items()},
        {run: steps for batch in batches for run, steps in batch.steps.items()},
    )


def run_files(run: Run) -> dict[str, bytes | None]:
    """Return the files that record a run."""
    if not run.experiment:
        return {paths.history_record_path(run.address, run.id): codec.encode_record(run)}
    marker = codec.encode_unfinished(run) if run.is_unfinished else None
    return {
        paths.experiment_path(run.address, run.id): codec.encode_record(run),
        paths.unfinished_path(run.id): marker,
    }
