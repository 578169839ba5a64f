"""A plan that looks only at what changed says what a plan of everything says, whatever was changed before."""

from __future__ import annotations

import json
import shutil
import sqlite3
import textwrap
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workspaces import SMALL, edit, git

from reconciler.git.repository import open_repository
from reconciler.model import Address
from reconciler.project import incremental
from reconciler.state.store import StateStore, WriteBatch

DATA = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: {}\ntype: uri_file\npath: {}\n"
MODEL = (
    "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: {}\ntype: custom_model\npath: {}\n"
)
JOB = """$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
name: {}
command: python sum.py ${{{{inputs.numbers}}}}
code: ../src
environment: azureml:plain@latest
compute: local
inputs:
  numbers: {{type: uri_file, path: azureml:{}@latest}}
"""
# What a file may be made to hold, "" for taking it away, "-> x" for a link to x.
FILES = {
    "data/numbers.csv": ["n\n1\n", "n\n2\n", "-> ../src/notes.txt", ""],
    "src/link.txt": ["-> notes.txt", "-> ../data/numbers.csv", "-> nowhere", ""],
    "data/numbers.yml": [
        DATA.format("numbers", "numbers.csv"),
        DATA.format("numbers", "numbers.csv") + "description: d\n",
        DATA.format("numbers", "numbers.csv") + "version: 7\n",
        DATA.format("others", "numbers.csv"),
        DATA.format("Numbers", "numbers.csv"),
        DATA.format("numbers", "azureml://datastores/s/paths/p"),
        "",
    ],
    "data/more.yml": [DATA.format("more", "numbers.csv"), DATA.format("numbers", "numbers.csv"), "name: [\n", ""],
    "environments/plain.yml": [
        "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nname: plain\nimage: python\n"
        f"conda_file: {each}\n"
        for each in ('{dependencies: ["python>=3.11"]}', '{dependencies: ["python>=3.12"]}', "conda.txt")
    ],
    "environments/conda.txt": ["dependencies: [python]\n", "dependencies: [pip]\n", ""],
    "jobs/sum.yml": [JOB.format("sum", "numbers"), JOB.format("sum", "more"), JOB.format("sum", "others"), ""],
    "jobs/second.yml": [JOB.format("second", "numbers"), JOB.format("second", "more"), ""],
    "src/sum.py": ["print(1)\n", "print(2)\n"],
    "src/.amlignore": ["*.txt\n", ""],
    "src/notes.txt": ["a\n", "b\n", ""],
    "models/total.yml": [
        MODEL.format("total", "azureml://jobs/sum/outputs/total"),
        MODEL.format("total", "../src"),
        MODEL.format("total", "../data/numbers.csv"),
        "",
    ],
    "inner/mlgit.yml": ["state: {name: inner, lineage: '22222222222222222222222222222222'}\n", ""],
    "inner/data.yml": [DATA.format("inner", "x"), ""],
}
ADDRESSES = [
    Address("data", "numbers"),
    Address("job", "sum"),
    Address("model", "total"),
    Address("environment", "plain"),
]
SETTINGS = ["retries: 1\n", "protect: [data/*]\n", "rules: {path-missing: warning}\n", ""]
EDITS = [("settings", line) for line in SETTINGS]
EDITS += [("file", name, text) for name, texts in FILES.items() for text in texts]
LIVE = [("live", address, what) for address in ADDRESSES for what in ("archive", "restore", "remove", "elsewhere")]
STEPS = st.lists(
    st.sampled_from([*EDITS, *LIVE, ("commit",), ("commit",), ("plan",), ("plan",)]), min_size=1, max_size=6
)


def put(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if text.startswith("-> "):
        path.symlink_to(text.removeprefix("-> "))
    elif text:
        path.write_text(text, encoding="utf-8")


def touch(folder: Path, address: Address, what: str) -> None:
    """Change the record of an address as another apply might."""
    repository = open_repository(folder)
    state = StateStore(repository, "small", "1" * 32)
    record = state.read().current.get(address)
    if record is not None:
        if what == "remove":
            state.write(WriteBatch(removed=(address,)), what)
        elif what == "elsewhere":
            state.write(WriteBatch(current=(replace(record, fingerprint="0" * 40, spec={"path": "x"}),)), what)
        else:
            state.write(WriteBatch(current=(replace(record, archived=what == "archive"),)), what)
    repository.close()


def said(mlgit, folder: Path) -> list[object]:
    ended = mlgit("plan", "--allow-submit", "9", "--allow-mass-delete", "--format", "json", cwd=folder)
    events = [json.loads(line) for line in ended.out.splitlines()]
    return [ended.code, *({name: event[name] for name in event if name != "time"} for event in events)]


def check(mlgit, folder: Path) -> None:
    """Plan with what is remembered, and with nothing; what is remembered afterwards is what the first left."""
    remembered, aside = folder / ".git/mlgit/plans", folder / ".git/aside"
    part = said(mlgit, folder)
    shutil.rmtree(aside, ignore_errors=True)
    if remembered.exists():
        remembered.rename(aside)
    whole = said(mlgit, folder)
    shutil.rmtree(remembered, ignore_errors=True)
    if aside.exists():
        aside.rename(remembered)
    assert part == whole


def do(mlgit, folder: Path, step: tuple) -> None:
    match step:
        case ("file", name, text):
            put(folder, name, text)
        case ("settings", line):
            put(folder, "mlgit.yml", textwrap.dedent(SMALL["mlgit.yml"]).lstrip("\n") + line)
        case ("live", address, what):
            touch(folder, address, what)
        case ("commit",):
            git(folder, "add", "--all")
            git(folder, "commit", "--quiet", "--allow-empty", "-m", "c")
        case _:
            check(mlgit, folder)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_a_plan_of_what_changed_is_the_plan_of_everything(applied, mlgit, tmp_path, steps):
    folder = tmp_path / "workspace"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(applied, folder)
    check(mlgit, folder)
    for step in steps:
        do(mlgit, folder, step)
    check(mlgit, folder)
    do(mlgit, folder, ("commit",))
    check(mlgit, folder)


def test_one_edit_reads_what_follows_from_it_and_nothing_else(applied, mlgit, read):
    mlgit("plan", cwd=applied)
    read.clear()
    put(applied, "models/other.yml", MODEL.format("other", "../data/numbers.csv"))
    assert "Plan: 1 change" in mlgit("plan", cwd=applied).out
    assert read == ["models/other.yml"]
    read.clear()
    put(applied, "models/other.yml", "")
    put(applied, "src/sum.py", "print()\n")
    assert "new run of job/sum" in mlgit("plan", cwd=applied).out
    assert sorted(read) == ["jobs/sum.yml", "models/total.yml"]


def test_nothing_is_read_where_nothing_changed(applied, mlgit, read, monkeypatch):
    first = mlgit("plan", cwd=applied)
    monkeypatch.setattr(incremental, "plan_incrementally", lambda *_: pytest.fail("it was planned once more"))
    read.clear()
    assert mlgit("plan", cwd=applied) == first
    assert read == []


def test_what_is_remembered_may_be_damaged_or_deleted(applied, mlgit):
    first = mlgit("plan", "--format", "json", cwd=applied)
    for file in [*(applied / ".git/mlgit/plans").iterdir(), *(applied / ".git/mlgit").glob("*.sqlite")]:
        file.write_bytes(b"no database")
        assert mlgit("plan", cwd=applied).code == first.code == 0
        file.unlink(missing_ok=True)
        assert mlgit("plan", cwd=applied).code == 0


def test_an_output_that_a_settled_job_does_not_have_is_an_error_too(applied, mlgit):
    mlgit("plan", cwd=applied)
    edit(applied, "models/total.yml", "outputs/total", "outputs/totl")
    narrow = mlgit("plan", cwd=applied)
    shutil.rmtree(applied / ".git/mlgit")
    assert narrow == mlgit("plan", cwd=applied)
    assert "job/sum has no output totl" in narrow.err


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE files SET problems = '{'",
        "UPDATE files SET problems = '[[1]]'",
        "UPDATE files SET address = 'x', level = 'y'",
        "INSERT INTO loose VALUES ('x')",
        "UPDATE base SET nested = '1'",
        "UPDATE base SET nested = '[1]'",
    ],
)
def test_an_index_that_cannot_be_read_is_made_anew(damage, applied, mlgit):
    mlgit("plan", cwd=applied)
    (path,) = (applied / ".git/mlgit/plans").glob("*.sqlite")
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(damage)
    ended = mlgit("plan", cwd=applied)
    assert (ended.code, "new run of job/sum" in ended.out) == (0, True), ended.err
