"""Damaged files in the queues of the backend local: what cannot start is lost, and the runs behind it start."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from workspaces import until

from reconciler.backends import load_backend
from reconciler.diagnostics import UserError
from reconciler.model import Phase
from reconciler.model.tasks import Compute
from reconciler.runner.queue import read_queued_run

ONE = Compute("cpu", {"type": "amlcompute", "max_instances": 1})
VALUES = (
    *(None, True, -1, 0, 2.5, 10**400, "", "x", "a\0b", [], [None], [1], ["a\0b"], [[]], {}, {"a": 1}, {"a": "b\0"}),
    *({"a=b": "c"}, ["", [], 1], ["", ["0"], 2], ["", ["0", "0"], 2], [1, ["0"], 0], ["", "00", 2], ["", [], True]),
)


@pytest.fixture
def bench(bench, monkeypatch, tmp_path):
    if bench.type != "local":
        pytest.skip("about local processes")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return bench


def wait_for_gate(bench):
    """Submit a run that holds the only slot until `open_gate`, and one behind it; return both handles and the entry."""
    gate = bench.folder.parent / "gate"
    first = bench.submit(bench.task(f"until [ -e {gate} ]; do sleep 0.02; done", name="first", compute=ONE))
    second = bench.submit(bench.task("echo second", name="second", compute=ONE))
    (entry,) = (bench.folder / "queues" / "cpu").glob("0*.json")
    return first, second, entry


def open_gate(bench):
    (bench.folder.parent / "gate").touch()


def has_phase(bench, handle, phase):
    return until(lambda: bench.condition(handle).phase is phase)


@pytest.mark.parametrize("name", [None, "folder", "token_file", "command", "variables", "instances", "devices"])
def test_any_value_in_a_file_of_a_queue_makes_its_run_no_run_or_one_that_can_start(tmp_path, name):
    good = {
        "folder": str(tmp_path),
        "token_file": str(tmp_path / "token"),
        "command": [sys.executable],
        "variables": {"A": "b"},
        "instances": 1,
        "devices": ["", [], 0],
    }
    path = tmp_path / "000000000000-a.json"
    path.write_text(json.dumps(good), "utf-8")
    assert read_queued_run(path) is not None
    for value in VALUES:
        path.write_text(json.dumps(value if name is None else {**good, name: value}), "utf-8")
        run = read_queued_run(path)
        if run is not None:
            assert all(isinstance(word, str) for word in run.command)
            assert run.command
            assert type(run.instances) is int
            assert run.instances > 0
            assert len(set(run.devices.names)) >= run.devices.per_run
    for missing in good:
        path.write_text(json.dumps({key: value for key, value in good.items() if key != missing}), "utf-8")
        assert read_queued_run(path) is None


def test_a_run_whose_python_was_removed_while_it_waited_is_lost_and_the_ones_behind_it_start(bench):
    _, second, entry = wait_for_gate(bench)
    third = bench.submit(bench.task("echo third", name="third", compute=ONE))
    document = json.loads(entry.read_text("utf-8"))
    document["command"][0] = str(bench.folder / "removed" / "python")
    entry.write_text(json.dumps(document), "utf-8")
    open_gate(bench)
    has_phase(bench, second, Phase.GONE)
    has_phase(bench, third, Phase.SUCCEEDED)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"folder": 1}', "\0" * 100, '{"devices": ["", ["0"], 2]}'])
def test_a_run_whose_file_in_the_queue_is_damaged_is_lost_and_the_ones_behind_it_start(bench, text):
    _, second, entry = wait_for_gate(bench)
    third = bench.submit(bench.task("echo third", name="third", compute=ONE))
    entry.write_text(text, "utf-8")
    open_gate(bench)
    has_phase(bench, second, Phase.GONE)
    has_phase(bench, third, Phase.SUCCEEDED)


def test_other_things_in_the_folder_of_a_queue_are_no_runs(bench):
    backend = load_backend({"type": "local", "slots": 1}, bench.folder)
    queue = bench.folder / "queues" / "cpu"
    queue.mkdir(parents=True)
    (queue / "000000000000-folder.json").mkdir()
    (queue / "notes.json").write_text("{}", "utf-8")
    (queue / "next").write_text(json.dumps({"number": 10**60}), "utf-8")
    (queue.parent / "file").touch()
    handle = bench.submit(bench.task("echo it", name="it", compute=ONE))
    assert tuple(backend.usage()) is not None
    has_phase(bench, handle, Phase.SUCCEEDED)
    shutil.rmtree(queue / "000000000000-folder.json")


@pytest.mark.parametrize(
    ("setting", "visible", "count"),
    [
        (["0", 0], None, 1),
        (["0", "0", "1"], None, 2),
        (None, "0,0", 1),
        (None, "-1", 0),
        (None, "0,-1,1", 1),
        (None, "", 0),
        (None, " 0 , 1 ", 2),
        (None, "GPU-a,GPU-b", 2),
    ],
)
def test_each_gpu_counts_once_however_often_it_is_named(bench, monkeypatch, setting, visible, count):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    gpus = {} if setting is None else {"gpus": setting}
    load_backend({"type": "local", **gpus, "gpus_per_run": count}, bench.folder)
    with pytest.raises(UserError, match="GPUs"):
        load_backend({"type": "local", **gpus, "gpus_per_run": count + 1}, bench.folder)
