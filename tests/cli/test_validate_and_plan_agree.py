"""What plan calls an error, validate has reported in the same words: all of it at once, each cause once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from cli.test_errors import ERRORS
from cli.test_validate_named_files import FAULTS
from workspaces import edit, write

Edits = Iterable[tuple[str, str | tuple[str, str]]]

# Every fault of other tests: the file, and either its text or a replacement in it.
WORKSPACES: dict[str, Edits] = {name: [(file, (old, new))] for name, (file, old, new) in ERRORS.items()}
WORKSPACES |= {name: list(faults.items()) for name, faults in FAULTS.items()}
WORKSPACES |= {
    "a compute that nothing binds": [("mlgit.yml", ('compute: {"*": local}', "compute: {other: local}"))],
    "a secret": [
        ("jobs/sum.yml", ("compute: local", "compute: local\nenvironment_variables: {AWS_SECRET_ACCESS_KEY: a1b2}"))
    ],
    "a rename that was not made": [("mlgit.yml", ("store:", "moved: [{from: data/numbers, to: data/x}]\nstore:"))],
    "a name that is not allowed": [("models/total.yml", ("name: total", "name: a b"))],
    "code that is not there": [("jobs/sum.yml", ("code: ../src", "code: ../scr"))],
    "an input that is a URI": [("jobs/sum.yml", ("azureml:numbers@latest", "https://example.org/n.csv"))],
    "no environment": [("jobs/sum.yml", ("environment: azureml:plain@latest\n", ""))],
}
# Only the live state tells whether an exact version exists.
LIVE_STATE_DECIDES = {"missing-version"}


def make_faulty(folder: Path, edits: Edits) -> None:
    for file, fault in edits:
        if isinstance(fault, str):
            write(folder, {file: fault})
        else:
            edit(folder, file, *fault)


def validated(mlgit, folder: Path) -> list[dict]:
    return json.loads(mlgit("validate", "--format", "json", cwd=folder).out)["diagnostics"]


def planned(mlgit, folder: Path) -> list[dict]:
    events = map(json.loads, mlgit("plan", "--format", "json", cwd=folder).out.splitlines())
    diagnostics = (event["diagnostic"] for event in events if event["type"] == "diagnostic")
    return [diagnostic for diagnostic in diagnostics if diagnostic["path"]]


def words(diagnostics: Iterable[dict], severity: str = "") -> set[tuple]:
    keys = ("path", "line", "column", "code", "message", "hint")
    chosen = (diagnostic for diagnostic in diagnostics if severity in ("", diagnostic["severity"]))
    return {tuple(diagnostic[key] for key in keys) for diagnostic in chosen}


def check_agreement(mlgit, folder: Path) -> None:
    validation, plan = validated(mlgit, folder), planned(mlgit, folder)
    assert words(plan, "error") <= words(validation)
    assert words(validation, "error") <= words(plan, "error"), "plan reports them in waves"
    for diagnostics in (validation, plan):
        places = [(diagnostic["path"], diagnostic["line"], diagnostic["column"]) for diagnostic in diagnostics]
        assert sorted(places) == sorted(set(places))


@pytest.mark.parametrize("name", sorted(WORKSPACES.keys() - LIVE_STATE_DECIDES))
def test_what_plan_calls_an_error_validate_reports_in_the_same_words(name, small, mlgit):
    make_faulty(small, WORKSPACES[name])
    check_agreement(mlgit, small)


def test_several_faults_are_reported_together(small, mlgit):
    edited: set[tuple[str, str]] = set()
    count = 0
    for name, edits in WORKSPACES.items():
        targets = {(file, fault if isinstance(fault, str) else fault[0]) for file, fault in edits}
        files = {file for file, _ in targets}
        if name in LIVE_STATE_DECIDES or "mlgit.yml" in files or "YAML" in name or name == "not-yaml":
            continue
        if all(_is_untouched(small, *target) for target in targets) and not edited & targets:
            make_faulty(small, edits)
            edited |= targets
            count += 1
    assert count > 6
    validation = validated(mlgit, small)
    assert len({diagnostic["code"] for diagnostic in validation}) > 4
    check_agreement(mlgit, small)


def _is_untouched(folder: Path, file: str, text: str) -> bool:
    path = folder / file
    return not path.exists() if text.startswith("$schema") else path.read_text("utf-8").count(text) == 1


PAIRS = list(itertools.combinations(sorted(WORKSPACES.keys() - LIVE_STATE_DECIDES), 2))


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=map(" + ".join, PAIRS))
def test_two_faults_are_reported_together(pair, small, mlgit):
    edits = [item for name in pair for item in WORKSPACES[name]]
    for file, fault in edits:
        if not isinstance(fault, str) and (small / file).read_text("utf-8").count(fault[0]) != 1:
            pytest.skip("the faults are in one place")
        make_faulty(small, [(file, fault)])
    check_agreement(mlgit, small)


@pytest.mark.parametrize("command", [("validate",), ("validate", "data/numbers.yml"), ("plan",)])
def test_files_for_another_version_of_mlgit_are_not_judged(command, small, mlgit):
    edit(small, "mlgit.yml", "store:", 'requires: ">=99"\nstore:')
    edit(small, "jobs/sum.yml", "environment:", "enviroment:")
    ended = mlgit(*command, cwd=small)
    assert "unknown-field" not in ended.out + ended.err
    if len(command) == 1:
        assert (ended.code, "[requires-unmet]" in ended.out + ended.err) == (1, True)
