"""The driver of a pipeline: a process that runs steps, reuses results, and goes on where another one ended."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import stat
from pathlib import Path

import pytest
from remote.backend import install_remote_backend
from remote.backend_server import ServerProcess
from workspaces import until

from driver.graphs import WRITE, driver_processes, kill_driver, make_graph, make_step
from reconciler.backends import load_backend
from reconciler.diagnostics import UserError
from reconciler.engine import run_conditions
from reconciler.engine.driver.backend import DriverBackend
from reconciler.engine.driver.graph import encode_graph
from reconciler.model import Address, Phase, Run, RunStatus
from reconciler.model.providers import CANCELED
from reconciler.model.step_runs import DRIVER

pytestmark = pytest.mark.slow
COPY = "cat ${{inputs.data}}/x ${{inputs.data}}/x > ${{outputs.out}}/x"
SLEEP = "echo up; sleep 300"


def test_steps_run_in_order_and_the_outputs_of_the_pipeline_are_theirs(site):
    graph = make_graph([make_step("prep", WRITE.format(1)), make_step("train", COPY, {"data": "prep"})])
    handle = site.submit(graph)
    condition = site.wait(handle)
    assert condition.phase is Phase.SUCCEEDED, condition
    result = site.driver.collect(handle, site.store)
    (file,) = site.store.manifest(result.outputs["result"])
    with site.store.open(file.digest) as stream:
        assert stream.read() == b"1\n1\n"
    assert [(step.step, step.status, step.attempt) for step in result.steps] == [
        ("prep", RunStatus.COMPLETED, 1),
        ("train", RunStatus.COMPLETED, 1),
    ]
    lines = [line.partition(" ")[2].partition(":")[0] for line in site.log(handle).splitlines()]
    assert lines[0].startswith("started on ")
    assert list(dict.fromkeys(lines[1:])) == ["prep", "train"]


def test_an_equal_step_is_reused_with_its_outputs_and_its_log_and_a_changed_one_runs(site):
    first = site.run(make_graph([make_step("prep", WRITE.format(1)), make_step("train", COPY, {"data": "prep"})]))
    # Another command with the same output: what reads it is reused all the same.
    again = make_step("prep", f"{WRITE.format(1)}; true", cause="command changed")
    steps = site.run(make_graph([again, make_step("train", COPY, {"data": "prep"})], "2"))
    assert (steps["prep"].reused_from, steps["prep"].reason) == ("", "command changed")
    train = steps["train"]
    assert (train.status, train.reused_from, train.run) == (RunStatus.COMPLETED, "pipe-6b86b273/train", "")
    assert (train.outputs, train.handle) == (first["train"].outputs, first["train"].handle)


def test_a_step_of_another_target_is_reused_if_the_graph_names_the_target(site):
    graph = make_graph([make_step("prep", WRITE.format(1))])
    first = site.run(graph)["prep"]
    second, third = (dataclasses.replace(make_graph(graph.steps.values(), name), target="2" * 32) for name in "23")
    prep = site.run(dataclasses.replace(second, reuse_from={"staging": graph.target}))["prep"]
    assert (prep.reused_from, prep.outputs) == ("pipe-6b86b273/prep of target staging", first.outputs)
    assert site.run(third)["prep"].reused_from == ""


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_result_whose_content_is_gone_or_damaged_is_not_reused(site, is_damaged):
    graph = make_graph([make_step("prep", WRITE.format(1))])
    digest = site.run(graph)["prep"].outputs["out"]["md5"]
    path = site.folder / "store/files/md5" / digest[:2] / digest[2:]
    path.unlink()
    if is_damaged:
        path.write_text("[]")
    steps = site.run(dataclasses.replace(make_graph(graph.steps.values(), "2")))
    assert steps["prep"].reason == "the result that it had is no longer in the store"
    assert steps["prep"].status is RunStatus.COMPLETED
    assert site.run(make_graph(graph.steps.values(), "3"))["prep"].reused_from == "pipe-d4735e3a/prep"


def test_steps_that_do_not_need_the_failed_one_run_on(site):
    steps = [make_step("bad", "exit 3"), make_step("after", COPY, {"data": "bad"}), make_step("other", WRITE.format(1))]
    handle = site.submit(make_graph(steps))
    condition = site.wait(handle)
    assert (condition.phase, condition.result["failure"]["class"]) == (Phase.FAILED, "user")
    message = "step bad failed: the command ended with exit code 3; its log is empty"
    assert condition.result["failure"]["message"] == message
    found = site.steps(handle)
    assert (found["after"].status, found["after"].message) == (RunStatus.NOT_STARTED, "step bad failed")
    assert found["other"].status is RunStatus.COMPLETED


def test_a_failed_step_cancels_the_others_if_the_pipeline_says_so(site):
    steps = [make_step("long", SLEEP), make_step("bad", "exit 3"), make_step("after", COPY, {"data": "long"})]
    handle = site.submit(make_graph(steps, continues_on_failure=False))
    condition = site.wait(handle)
    assert (condition.phase, condition.reason) == (Phase.FAILED, "")
    found = site.steps(handle)
    reason = "step bad failed, and settings.continue_on_step_failure is false"
    assert (found["long"].status, found["long"].message) == (RunStatus.CANCELED, reason)
    assert (found["after"].status, found["after"].message) == (RunStatus.NOT_STARTED, reason)


def test_a_cancel_ends_the_steps_also_without_a_driver(site):
    handle = site.submit(make_graph([make_step("long", SLEEP), make_step("after", COPY, {"data": "long"})]))
    until(lambda: site.steps(handle)["long"].status is RunStatus.RUNNING)
    kill_driver(site, handle)
    assert site.driver.cancel(handle)
    condition = site.wait(handle)
    assert (condition.phase, condition.reason) == (Phase.FAILED, CANCELED)
    found = site.steps(handle)
    assert [step.status for step in found.values()] == [RunStatus.CANCELED, RunStatus.NOT_STARTED]
    assert not site.driver.cancel(handle)


def test_a_killed_driver_is_said_and_another_one_goes_on(site):
    go = site.folder / "go"
    wait = f"echo x >> {site.folder}/effects; while [ ! -e {go} ]; do sleep 0.02; done; {WRITE.format(1)}"
    handle = site.submit(make_graph([make_step("prep", wait), make_step("train", COPY, {"data": "prep"})]))
    until(lambda: site.steps(handle)["prep"].status is RunStatus.RUNNING)
    kill_driver(site, handle)
    condition = site.condition(handle)
    assert condition.message == "0 of 2 steps completed; its driver ended; `mlgit apply` continues it"
    assert site.driver.resume(handle)
    assert not site.driver.resume(handle), "a second driver was started"
    go.touch()
    assert site.wait(handle).phase is Phase.SUCCEEDED
    assert (site.folder / "effects").read_text() == "x\n"
    assert "continued on " in site.log(handle)


def test_another_clone_attaches_to_the_run_by_its_token(site):
    go = site.folder / "go"
    graph = make_graph([make_step("prep", f"while [ ! -e {go} ]; do sleep 0.02; done; {WRITE.format(1)}")])
    handle = site.submit(graph)
    assert site.driver.find(graph.token) == handle
    assert site.submit(graph) == handle
    elsewhere = DriverBackend(site.folder / "elsewhere", site.driver._settings, "elsewhere", lambda: site.store)
    condition = elsewhere.poll([handle])[handle]
    assert (condition.phase, condition.reason) == (Phase.RUNNING, "")
    assert condition.message == f"0 of 1 step completed; continues on {site.host}"
    go.touch()
    assert site.wait(handle).phase is Phase.SUCCEEDED
    assert elsewhere.poll([handle])[handle].phase is Phase.SUCCEEDED
    assert b"".join(elsewhere.log(handle)) == b"".join(site.driver.log(handle))


def test_a_run_whose_backend_is_on_another_machine_goes_on_there(site, monkeypatch):
    backends = {"local": {"type": "local", "host": "gpubox"}}
    graph = make_graph([make_step("prep", WRITE.format(1))], backends=backends)
    handle = site.driver.submit(site.put(graph), site.store)
    assert site.condition(handle).message == "0 of 1 step completed; continues on gpubox"
    assert not site.driver.resume(handle)
    monkeypatch.setattr(run_conditions, "_CANCEL_SECONDS", 0)
    run = Run(graph.run, Address("job", "pipe"), graph.token, "", 1, DRIVER, RunStatus.RUNNING, handle=handle)
    with pytest.raises(UserError, match=r"has not stopped within 0 s: .*; continues on gpubox"):
        run_conditions.cancel_and_wait(site.driver, run)


def test_a_driver_whose_machine_is_gone_is_continued_from_another_one(site, tmp_path, monkeypatch):
    """All backends of the graph are services, which both machines reach."""
    (tmp_path / "server").mkdir()
    install_remote_backend(tmp_path / "plugin")
    monkeypatch.syspath_prepend(tmp_path / "plugin")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "plugin"), str(Path(__file__).parent.parent)]))
    go = tmp_path / "go"
    server = ServerProcess(tmp_path / "server")
    server.start()
    backends = {"local": {"type": "remote", "port": server.port}}
    wait = f"echo x >> {tmp_path}/effects; while [ ! -e {go} ]; do sleep 0.02; done; {WRITE.format(1)}"
    steps = [make_step("prep", wait), make_step("train", COPY, {"data": "prep"})]
    handle = site.submit(make_graph(steps, backends=backends))
    until((tmp_path / "effects").exists)
    kill_driver(site, handle)
    shutil.rmtree(site.folder / "store/drivers")
    monkeypatch.setenv("MLGIT_HOST", "second")
    second = DriverBackend(tmp_path / "second", site.driver._settings, "second", lambda: site.store)
    assert second.poll([handle])[handle].message == f"0 of 2 steps completed; its driver is on {site.host}"
    assert second.resume(handle)
    go.touch()
    assert site.wait(handle).phase is Phase.SUCCEEDED
    server.stop()
    assert (tmp_path / "effects").read_text() == "x\n"
    assert "continued on second" in site.log(handle)


def test_a_step_whose_supervisor_is_killed_has_one_more_attempt(site):
    first = site.folder / "first"
    command = (
        f"echo x >> {site.folder}/effects; if [ ! -e {first} ]; then touch {first}; sleep 300; fi; {WRITE.format(1)}"
    )
    handle = site.submit(make_graph([make_step("prep", command)]))
    until(first.exists)
    run = site.steps(handle)["prep"].run
    supervisor = json.loads((site.folder / "store/runs" / run / "supervisor.json").read_text())["pid"]
    os.kill(supervisor, signal.SIGKILL)
    assert site.wait(handle).phase is Phase.SUCCEEDED
    step = site.steps(handle)["prep"]
    assert (step.attempt, step.status) == (2, RunStatus.COMPLETED)
    assert step.reason == "attempt 1 was lost: its supervisor ended without a result"
    assert (site.folder / "effects").read_text() == "x\nx\n"


def test_files_of_a_driver_are_for_their_owner_only_and_its_arguments_have_no_secret(site):
    step = make_step("prep", WRITE.format(1))
    secret = dataclasses.replace(step.task, variables={"API_KEY": "hunter2-hunter2"})
    handle = site.submit(make_graph([dataclasses.replace(step, task=secret)]))
    site.wait(handle)
    folder = site.folder / "store/drivers" / handle.id
    for path in (folder, *folder.iterdir()):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
        assert path.is_dir() or "hunter2" not in path.read_text()
    assert "hunter2" not in site.log(handle)


def test_what_cannot_be_done_at_present_is_waited_for_and_shown(site):
    graph = make_graph([make_step("prep", WRITE.format(1))])
    runs = site.folder / "store/runs"
    site.submitted.clear()
    (site.folder / "store").mkdir()
    runs.write_text("in the way")
    handle = site.submit(graph)
    until(lambda: "waits: " in site.condition(handle).message)
    runs.unlink()
    assert site.wait(handle).phase is Phase.SUCCEEDED


@pytest.mark.parametrize("lost", ["entry", "graph", "damaged", "other"])
def test_a_run_whose_graph_the_store_has_lost_is_gone(site, lost):
    graph = make_graph([make_step("prep", SLEEP)], backends={"local": {"type": "local", "host": "elsewhere"}})
    handle = site.driver.submit(task := site.put(graph), site.store)
    path = site.folder / "store/files/md5" / task.code.digest[:2] / task.code.digest[2:]
    path.chmod(0o600)
    if lost == "damaged":
        path.write_text("{")
    elif lost == "other":
        path.write_bytes(encode_graph(dataclasses.replace(graph, retries=7)))
    else:
        (path if lost == "graph" else site.folder / "store/entries/graphs" / graph.token).unlink()
    assert site.condition(handle).phase is Phase.GONE
    assert not site.driver.resume(handle)
    site.driver.cancel(handle)


def test_two_pipelines_that_share_steps_run_at_once_and_end_alike(site):
    steps = [make_step("prep", f"sleep 0.3; {WRITE.format(1)}"), make_step("train", COPY, {"data": "prep"})]
    handles = [site.submit(make_graph(steps, str(number))) for number in range(2)]
    assert [site.wait(handle).phase for handle in handles] == [Phase.SUCCEEDED] * 2
    first, second = (site.driver.collect(handle, site.store) for handle in handles)
    assert first.outputs == second.outputs
    third = site.run(make_graph(steps, "third"))
    assert all(step.reused_from.endswith(f"/{path}") for path, step in third.items())


def test_steps_are_held_back_while_as_many_wait_as_their_compute_has_slots(site):
    steps = [make_step(f"s{number}", f"sleep 0.3; {WRITE.format(number)}") for number in range(8)]
    graph = make_graph(steps, backends={"local": {"type": "local", "slots": 1}})
    backend = load_backend(graph.backends["local"], site.folder / "store")
    waiting: list[int] = []
    handle = site.submit(graph)

    def has_ended() -> bool:
        waiting.extend(usage.queued for usage in backend.usage())
        return site.condition(handle).phase is not Phase.RUNNING

    until(has_ended)
    assert site.condition(handle).phase is Phase.SUCCEEDED
    assert max(waiting) == 1


def test_a_driver_gets_no_token_of_who_starts_it_and_the_variables_that_its_backends_read(site, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "gh-planted")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Authorization: basic planted")
    monkeypatch.setenv("XDG_STATE_HOME", str(site.folder / "state"))
    handle = site.submit(make_graph([make_step("prep", SLEEP)]))
    (process,) = driver_processes(site, handle)
    variables = (Path("/proc") / str(process) / "environ").read_text().split("\0")
    assert f"XDG_STATE_HOME={site.folder}/state" in variables
    assert not [entry for entry in variables if "planted" in entry]
    site.driver.cancel(handle)
    site.wait(handle)
