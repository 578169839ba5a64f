"""The contents of the store that the live state records: of versions, and of outputs of runs and their steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reconciler.model import Json, Record, Run, StepRun
from reconciler.model.content import Content


class RecordedContent(NamedTuple):
    """A content, and whose it is: ``model/iris@1``, ``run train-0c1e84b5, output model``."""

    owner: str
    content: Content


def version_contents(record: Record) -> Iterator[RecordedContent]:
    """Yield the contents of a version."""
    owner = record.address.format_with_version(record.version)
    for pointer, recorded in record.realised.get("contents", {}).items():
        field = pointer.strip("/").replace("/", ".")
        yield RecordedContent(owner if field == "path" else f"{owner}, {field}", Content.from_json(recorded))


def run_contents(run: Run, steps: tuple[StepRun, ...]) -> Iterator[RecordedContent]:
    """Yield the outputs of a run and of its steps, as far as they are in the store."""
    yield from _outputs(f"run {run.id}", run.outputs)
    for step in steps:
        yield from _outputs(f"run {run.id}, step {step.step}", step.outputs)


def _outputs(owner: str, outputs: Mapping[str, Json]) -> Iterator[RecordedContent]:
    for name, recorded in outputs.items():
        if recorded and "md5" in recorded:
            yield RecordedContent(f"{owner}, output {name}", Content.from_json(recorded))
