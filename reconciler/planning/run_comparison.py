"""What differs between two runs, and what came of it: a pure function of what is known of each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.format.pointers import split_pointer
from reconciler.model import EMPTY_MAPPING, Json, Run, run_experiment
from reconciler.model.step_runs import StepRun
from reconciler.planning.diff import FieldChange, diff_fields
from reconciler.planning.fingerprint import substitute_values
from reconciler.secrets.redact import secret_values
from reconciler.timestamps import seconds_between

Files = Mapping[str, str]
"""The digest of each file of a content, by its path within it."""

_OTHER_SECTION = "other"
_SECTIONS = {
    "inputs": "inputs",
    "params": "inputs",
    "command": "command",
    "environment_variables": "environment_variables",
    "code": "code",
    "data": "data",
    "environment": "environment",
    "packages": "packages",
    "compute": "compute",
    "resources": "compute",
    "backend": "compute",
    "jobs": "steps",
    "component": "steps",
    "experiment_name": "experiment",
}
"""The section of each field, in the order of the sections."""
_COMPARED_ELSEWHERE = ""  # in place of contents that have a section of their own


class DataVersion(NamedTuple):
    """The data that an input stood for: its version, path or URL, and of its content the digest and the size."""

    version: str
    digest: str = ""
    size: int | None = None
    files: int | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run and what is known of what it used.

    ``data`` are its inputs and ``code`` the files of its other contents, by JSON pointer, as far as they are known.
    ``packages`` are the versions that its environment was built with, by name, None if that is not recorded. Only the
    ``environment`` of a command has a name. A run of a ``step`` has the spec of its pipeline: what is compared is what
    the step got.
    """

    run: Run
    data: Mapping[str, DataVersion] = field(default_factory=lambda: EMPTY_MAPPING)
    code: Mapping[str, Files] = field(default_factory=lambda: EMPTY_MAPPING)
    environment: str = ""
    packages: Files | None = None
    steps: tuple[StepRun, ...] = ()
    step: StepRun | None = None


class Outcome(NamedTuple):
    """A result that differs: its group (status, metrics, outputs, steps), its name, and both sides, None for none.

    ``difference`` is that of two numbers.
    """

    group: str
    name: str
    before: Json
    after: Json
    difference: float | None = None


class RunComparison(NamedTuple):
    """What differs between two runs by section, the results that differ, and notes on what is not known."""

    before: Run
    after: Run
    differences: Mapping[str, Sequence[FieldChange]]
    outcomes: Sequence[Outcome]
    notes: Sequence[str]


def compare_runs(before: RunFacts, after: RunFacts) -> RunComparison:
    """Return what differs between two runs. No value of a secret of either is in the differences."""
    secrets = secret_values(before.run.spec) | secret_values(after.run.spec)
    changes = [
        *_spec_changes(before, after, secrets),
        *_code_changes(before, after),
        *_data_changes(before.data, after.data),
        *_package_changes(before, after),
    ]
    differences: dict[str, list[FieldChange]] = {section: [] for section in (*_SECTIONS.values(), _OTHER_SECTION)}
    for section, change in changes:
        differences[section].append(change)
    outcomes = (*_run_outcomes(before.run, after.run), *_step_outcomes(before.steps, after.steps))
    found = {section: section_changes for section, section_changes in differences.items() if section_changes}
    return RunComparison(before.run, after.run, found, outcomes, tuple(_notes(before, after)))


def _notes(before: RunFacts, after: RunFacts) -> Iterator[str]:
    for facts in (before, after):
        if facts.packages is None and facts.environment:
            yield f"the build of the environment of {facts.run.id} is not recorded: packages are not compared"


def _spec_changes(before: RunFacts, after: RunFacts, secrets: AbstractSet[str]) -> Iterator[tuple[str, FieldChange]]:
    """Yield the fields of the jobs that differ, as they were when the runs were submitted."""
    elsewhere = {
        *(before.data.keys() & after.data.keys()),
        *(before.run.contents.keys() & after.run.contents.keys()),
    }
    old, new = (_comparable_fields(facts, elsewhere) for facts in (before, after))
    for change in diff_fields(old, new, EMPTY_MAPPING, secrets):
        yield _SECTIONS.get(change.field.partition(".")[0], _OTHER_SECTION), change


def _comparable_fields(facts: RunFacts, elsewhere: AbstractSet[str]) -> Json:
    run, step = facts.run, facts.step
    if step:
        fields = ("inputs", "params", "component", "environment", "backend")
        return {name: value for name in fields if (value := getattr(step, name))}
    references = {pointer: str(reference) for pointer, reference in run.references.items()}
    spec = substitute_values(run.spec, run.contents, references | dict.fromkeys(elsewhere, _COMPARED_ELSEWHERE))
    recorded = {
        "params": dict(run.params),
        "backend": run.backend,
        "experiment_name": run_experiment(run.spec, run.realised),
    }
    return {**spec, **{name: value for name, value in recorded.items() if value}, "name": ""}


def _code_changes(before: RunFacts, after: RunFacts) -> Iterator[tuple[str, FieldChange]]:
    """Yield the contents that both runs have and that differ, with the files that were changed, if these are known."""
    old, new = before.run.contents, after.run.contents
    for pointer in sorted(old.keys() & new.keys() - before.data.keys()):
        if old[pointer] != new[pointer]:
            files = changed_file_names(before.code.get(pointer), after.code.get(pointer))
            yield "code", FieldChange(".".join(split_pointer(pointer)), "changed", old[pointer], new[pointer], files)


def changed_file_names(before: Files | None, after: Files | None) -> tuple[str, ...]:
    """Return the files that differ, each with what became of it; none if one side is not known."""
    if before is None or after is None:
        return ()
    return tuple(
        f"{name} {'added' if name not in before else 'removed' if name not in after else 'changed'}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _data_changes(
    before: Mapping[str, DataVersion], after: Mapping[str, DataVersion]
) -> Iterator[tuple[str, FieldChange]]:
    """Yield the data that both runs have as an input and that differs in version or content."""
    for pointer in sorted(before.keys() & after.keys()):
        old, new = before[pointer], after[pointer]
        if old != new:
            name = ".".join(split_pointer(pointer.removesuffix("/path")))
            yield "data", FieldChange(name, "changed", old._asdict(), new._asdict())


def _package_changes(before: RunFacts, after: RunFacts) -> Iterator[tuple[str, FieldChange]]:
    if before.packages is not None and after.packages is not None:
        yield from (("packages", change) for change in diff_fields(before.packages, after.packages, EMPTY_MAPPING))


def _run_outcomes(before: Run, after: Run) -> Iterator[Outcome]:
    """Yield the results of two runs that differ."""
    for name, old, new in (
        ("status", str(before.status), str(after.status)),
        ("failure", before.failure, after.failure),
        ("exit_code", before.exit_code, after.exit_code),
        ("message", before.message, after.message),
    ):
        if old != new:
            yield Outcome("status", name, old or None, new or None)
    yield from _number_outcomes(
        "status", {"duration_seconds": _duration(before)}, {"duration_seconds": _duration(after)}
    )
    yield from _number_outcomes("metrics", before.metrics, after.metrics)
    for name in sorted(before.outputs.keys() | after.outputs.keys()):
        old, new = before.outputs.get(name), after.outputs.get(name)
        if old != new:
            yield Outcome("outputs", name, old, new, _difference((old or {}).get("size"), (new or {}).get("size")))


def _duration(run: Run) -> float | None:
    return seconds_between(run.started_at, run.ended_at) if run.ended_at else None


def _number_outcomes(group: str, before: Mapping[str, Json], after: Mapping[str, Json]) -> Iterator[Outcome]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield Outcome(group, name, old, new, _difference(old, new))


def _difference(before: Json, after: Json) -> float | None:
    """Return the difference of two finite numbers, None for anything else."""
    numbers = [value for value in (before, after) if isinstance(value, int | float) and math.isfinite(value)]
    return numbers[1] - numbers[0] if len(numbers) == 2 else None  # noqa: PLR2004 - both


def _step_outcomes(before: Sequence[StepRun], after: Sequence[StepRun]) -> Iterator[Outcome]:
    """Yield the steps that only one run has, or that ended otherwise; trials are compared by their sweep."""
    old, new = ({step.step: _step_result(step) for step in steps if not step.is_trial} for steps in (before, after))
    for path in dict.fromkeys((*old, *new)):
        if old.get(path) != new.get(path):
            yield Outcome("steps", path, old.get(path), new.get(path))
    old_best, new_best = (", ".join(step.step for step in steps if step.is_best) for steps in (before, after))
    if old_best != new_best:
        yield Outcome("steps", "best trial", old_best or None, new_best or None)


def _step_result(step: StepRun) -> str:
    return "reused" if step.reused_from else step.status.label
