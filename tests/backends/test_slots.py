"""The slots of the backend local: as many runs at once as a compute has, the others in the order of submission."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from workspaces import has_ended, until

from reconciler.backends import load_backend
from reconciler.diagnostics import UserError
from reconciler.model import Phase
from reconciler.model.providers import CANCELED, Usage
from reconciler.model.tasks import Compute, Resources
from reconciler.runner.locks import is_locked


@pytest.fixture
def bench(bench, monkeypatch, tmp_path):
    if bench.type != "local":
        pytest.skip("about local processes")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return bench


def cluster(instances, name="cpu", **spec):
    return Compute(name, {"type": "amlcompute", "max_instances": instances, **spec})


def sleeper(bench, name, compute=None, **fields):
    """Return a task that ends when the file of its name is there."""
    gate = bench.folder.parent / f"end-{name}"
    command = f"echo {name}; until [ -e {gate} ]; do sleep 0.02; done"
    return bench.task(command, name=name, compute=compute or cluster(1), **fields)


def let_end(bench, *names):
    for name in names:
        (bench.folder.parent / f"end-{name}").touch()


def phases(bench, handles):
    return [bench.condition(handle).phase for handle in handles]


def kill_supervisors(bench):
    """Kill every supervisor, as a reboot does, with the commands."""
    for folder in (bench.folder / "runs").iterdir():
        for name in ("supervisor.json", "command.json"):
            path = folder / name
            if path.exists() and is_locked(folder / "alive.lock" if name[0] == "s" else folder / "child.lock"):
                with suppress(ProcessLookupError):  # the command ends with its supervisor
                    os.kill(json.loads(path.read_text())["pid"], signal.SIGKILL)
        until(lambda folder=folder: not is_locked(folder / "alive.lock"))


def order(bench):
    return (bench.folder.parent / "order").read_text().split()


@pytest.mark.parametrize(
    ("compute", "slots"),
    [
        (cluster(1), 1),
        (cluster(3), 3),
        (cluster("2"), 2),
        (Compute("cpu", {"type": "AmlCompute", "max_instances": 2}), 2),
        (Compute("cpu", {"type": "amlcompute"}), 4),
        (Compute("mine", {"type": "computeinstance"}), 1),
        (Compute("anything"), 2),
        (Compute(), 2),
    ],
)
def test_a_compute_has_as_many_slots_as_its_file_says_or_else_the_settings(bench, compute, slots):
    backend = load_backend({"type": "local", "slots": 2}, bench.folder)
    names = [f"n{number}" for number in range(slots + 2)]
    handles = [backend.submit(sleeper(bench, name, compute), bench.store) for name in names]
    try:
        until(lambda: phases(bench, handles) == [Phase.RUNNING] * slots + [Phase.PENDING] * 2)
        name = compute.name or "local"
        assert backend.usage() == (Usage(f"compute/{name}", "slot", slots, slots, 2),)
    finally:
        let_end(bench, *names)
    assert all(bench.wait_until_ended(handle).phase is Phase.SUCCEEDED for handle in handles)
    until(lambda: not backend.usage())


def test_without_settings_a_compute_has_a_slot_for_each_core(bench):
    names = [f"n{number}" for number in range(len(os.sched_getaffinity(0)) + 1)]
    handles = [bench.submit(sleeper(bench, name, Compute("bound"))) for name in names]
    until(lambda: phases(bench, handles) == [Phase.RUNNING] * (len(names) - 1) + [Phase.PENDING])
    let_end(bench, *names)
    assert all(bench.wait_until_ended(handle).phase is Phase.SUCCEEDED for handle in handles)


def test_runs_start_in_the_order_of_their_submission_without_any_command(bench):
    first = bench.submit(sleeper(bench, "first"))
    file = bench.folder.parent / "order"
    handles = [
        bench.submit(bench.task(f"echo {number} >> {file}", name=f"n{number}", compute=cluster(1)))
        for number in range(12)
    ]
    let_end(bench, "first")
    until(lambda: file.exists() and len(order(bench)) == 12)  # nobody asks the backend meanwhile
    assert order(bench) == [str(number) for number in range(12)]
    assert all(bench.wait_until_ended(handle).phase is Phase.SUCCEEDED for handle in (first, *handles))


def test_only_as_many_supervisors_are_alive_as_there_are_slots(bench):
    handles = [bench.submit(sleeper(bench, f"n{number}", cluster(2))) for number in range(30)]
    alive = [handle for handle in handles if is_locked(bench.folder / "runs" / handle.id / "alive.lock")]
    assert alive == handles[:2]
    for handle in handles[2:]:
        bench.backend.cancel(handle)
    let_end(bench, "n0", "n1")


def test_a_run_of_two_instances_takes_two_slots_or_waits(bench):
    pair = {"resources": Resources(instances=2), "distribution": {"type": "pytorch"}}
    small = bench.submit(sleeper(bench, "small", cluster(2)))
    both = bench.submit(sleeper(bench, "both", cluster(2), **pair))
    after = bench.submit(sleeper(bench, "after", cluster(2)))
    until(lambda: phases(bench, [small, both, after]) == [Phase.RUNNING, Phase.PENDING, Phase.PENDING])
    let_end(bench, "small")
    until(lambda: phases(bench, [small, both, after]) == [Phase.SUCCEEDED, Phase.RUNNING, Phase.PENDING])
    let_end(bench, "both", "after")
    assert all(bench.wait_until_ended(handle).phase is Phase.SUCCEEDED for handle in (both, after))


def test_a_run_of_more_instances_than_its_compute_has_slots_is_not_submitted(bench):
    pair = {"resources": Resources(instances=2), "distribution": {"type": "pytorch"}}
    with pytest.raises(UserError, match="the job has 2 instances, but the compute cpu has 1 slot"):
        bench.submit(sleeper(bench, "both", cluster(1), **pair))
    assert bench.backend.usage() == ()


def test_a_queued_run_whose_compute_has_too_few_slots_now_does_not_hold_up_others(bench):
    pair = {"resources": Resources(instances=2), "distribution": {"type": "pytorch"}}
    first = bench.submit(sleeper(bench, "first", cluster(2)))
    both = bench.submit(sleeper(bench, "both", cluster(2), **pair))
    last = bench.submit(sleeper(bench, "last", cluster(1)))
    let_end(bench, "first", "last")
    assert bench.wait_until_ended(last).phase is Phase.SUCCEEDED
    assert (bench.condition(first).phase, bench.condition(both).phase) == (Phase.SUCCEEDED, Phase.GONE)


def test_each_compute_has_a_queue_of_its_own(bench):
    full, waiting = bench.submit(sleeper(bench, "full")), bench.submit(sleeper(bench, "waiting"))
    other = bench.submit(bench.task("true", name="other", compute=cluster(1, "../strange name")))
    assert bench.wait_until_ended(other).phase is Phase.SUCCEEDED
    until(lambda: phases(bench, [full, waiting]) == [Phase.RUNNING, Phase.PENDING])
    let_end(bench, "full", "waiting")


def test_a_queued_run_says_what_it_waits_for_and_has_no_log_yet(bench):
    running, *queued = (bench.submit(sleeper(bench, name)) for name in ("a", "b", "c"))
    assert [bench.condition(handle).message for handle in queued] == [
        "waits for a slot",
        "waits for a slot, after 1 other",
    ]
    assert bench.log(queued[0]) == ""
    assert list(bench.backend.metrics(queued[0])) == []
    assert bench.backend.describe(queued[0]).artifacts == ()
    let_end(bench, "a", "b", "c")
    assert b"".join(bench.backend.log(queued[1], follow=True)) == b"c\n"
    assert bench.condition(running).phase is Phase.SUCCEEDED


def test_a_queued_run_that_is_canceled_never_starts_and_others_go_on(bench):
    running, canceled, last = (bench.submit(sleeper(bench, name)) for name in ("a", "b", "c"))
    assert bench.backend.cancel(canceled)
    assert bench.condition(canceled).reason == CANCELED
    assert not bench.backend.cancel(canceled)
    let_end(bench, "a", "b", "c")
    assert bench.wait_until_ended(last).phase is Phase.SUCCEEDED
    assert bench.condition(canceled).reason == CANCELED
    assert bench.log(canceled) == ""
    assert list(bench.backend.metrics(canceled)) == []
    assert bench.condition(running).phase is Phase.SUCCEEDED


def test_a_queued_run_is_found_by_its_token_and_submitted_once(bench):
    bench.submit(sleeper(bench, "a"))
    task = sleeper(bench, "b")
    handle = bench.submit(task)
    assert bench.backend.find(task.token) == handle
    assert bench.submit(task) == handle
    assert bench.backend.usage()[0].queued == 1
    let_end(bench, "a", "b")
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    assert bench.log(handle) == "b\n"


def test_the_time_limit_counts_from_the_start_of_the_command(bench):
    bench.submit(sleeper(bench, "a"))
    queued = bench.submit(bench.task("sleep 0.2", name="b", compute=cluster(1), resources=Resources(timeout=3)))
    bench.wait_until_running(next(iter(bench.started.values())))
    time.sleep(3.5)
    assert bench.condition(queued).phase is Phase.PENDING
    let_end(bench, "a")
    assert bench.wait_until_ended(queued).phase is Phase.SUCCEEDED


def test_after_all_processes_were_killed_a_poll_goes_on_with_the_queue_and_what_ran_is_lost(bench):
    handles = [bench.submit(sleeper(bench, name, cluster(2))) for name in "abcd"]
    until(lambda: phases(bench, handles)[:2] == [Phase.RUNNING] * 2)
    kill_supervisors(bench)
    assert not any(is_locked(bench.folder / "runs" / handle.id / "alive.lock") for handle in handles)
    until(lambda: phases(bench, handles) == [Phase.GONE] * 2 + [Phase.RUNNING] * 2)
    let_end(bench, *"abcd")
    assert [bench.wait_until_ended(handle).phase for handle in handles[2:]] == [Phase.SUCCEEDED] * 2
    assert phases(bench, handles[:2]) == [Phase.GONE] * 2
    assert [bench.log(handle) for handle in handles] == ["a\n", "b\n", "c\n", "d\n"]


def test_a_supervisor_that_was_killed_leaves_its_slot_to_its_command_until_that_is_ended(bench):
    task = sleeper(bench, "a")
    orphaned, queued = bench.submit(task), bench.submit(sleeper(bench, "b"))
    bench.wait_until_running(orphaned)
    bench.kill_runner(task, orphaned)
    assert bench.condition(orphaned).phase is Phase.GONE
    assert bench.condition(queued).phase is Phase.PENDING
    assert bench.backend.cancel(orphaned)
    until(lambda: bench.condition(queued).phase is Phase.RUNNING)
    let_end(bench, "b")
    assert bench.wait_until_ended(queued).phase is Phase.SUCCEEDED


def test_a_run_takes_gpus_of_the_machine_and_sees_no_others(bench):
    backend = load_backend({"type": "local", "gpus": ["7", "GPU-c0ffee"], "slots": 8}, bench.folder)
    gates = [f"n{number}" for number in range(3)]
    sleepers = [sleeper(bench, name, Compute(name)) for name in gates]  # on three computes, which share the devices
    tasks = [
        bench.task(f"echo $CUDA_VISIBLE_DEVICES; {task.command}", name=task.compute.name, compute=task.compute)
        for task in sleepers
    ]
    handles = [backend.submit(task, bench.store) for task in tasks]
    until(lambda: phases(bench, handles) == [Phase.RUNNING, Phase.RUNNING, Phase.PENDING])
    until(lambda: all(bench.log(handle).count("\n") == 2 for handle in handles[:2]))
    assert [bench.log(handle).split()[0] for handle in handles[:2]] == ["7", "GPU-c0ffee"]
    assert Usage(os.uname().nodename, "GPU", 2, 2) in backend.usage()
    let_end(bench, "n1")
    file = bench.folder / "runs" / handles[2].id / "user_logs/std_log.txt"
    until(lambda: file.exists() and file.read_text().count("\n") == 2)  # without any command
    assert file.read_text().split()[0] == "GPU-c0ffee"
    let_end(bench, *gates)
    assert all(bench.wait_until_ended(handle).phase is Phase.SUCCEEDED for handle in handles)


def test_a_run_on_a_compute_of_a_size_without_gpus_takes_and_sees_none(bench):
    backend = load_backend({"type": "local", "gpus": 1}, bench.folder)
    small, large = (cluster(4, size, size=size) for size in ("Standard_DS3_v2", "STANDARD_NC6"))
    tasks = [
        bench.task(f"echo [$CUDA_VISIBLE_DEVICES]; {number}", name=f"n{number}", compute=compute)
        for number, compute in enumerate((small, large))
    ]
    handles = [backend.submit(task, bench.store) for task in tasks]
    for handle in handles:
        bench.wait_until_ended(handle)
    assert [bench.log(handle).splitlines()[0] for handle in handles] == ["[]", "[0]"]


def test_the_gpus_of_each_run_can_be_set_and_not_to_more_than_there_are(bench):
    backend = load_backend({"type": "local", "gpus": 4, "gpus_per_run": 3}, bench.folder)
    handle = backend.submit(bench.task("echo $CUDA_VISIBLE_DEVICES"), bench.store)
    bench.wait_until_ended(handle)
    assert bench.log(handle) == "0,1,2\n"
    with pytest.raises(UserError, match="a run takes 2 GPUs"):
        load_backend({"type": "local", "gpus": 1, "gpus_per_run": 2}, bench.folder)


def test_a_damaged_queue_does_not_stop_the_runs_behind(bench):
    running, damaged, last = (bench.submit(sleeper(bench, name)) for name in ("a", "b", "c"))
    queue = bench.folder / "queues" / "cpu"
    entries = sorted(queue.glob("*.json"))
    entries[0].write_text('{"folder": ')
    (queue / "next").write_text("")
    let_end(bench, "a", "b", "c")
    assert bench.wait_until_ended(last).phase is Phase.SUCCEEDED
    assert bench.wait_until_ended(damaged).phase is Phase.GONE
    assert bench.wait_until_ended(running).phase is Phase.SUCCEEDED
    assert bench.wait_until_ended(bench.submit(bench.task("true", compute=cluster(1)))).phase is Phase.SUCCEEDED


def test_the_copy_of_a_supervisor_has_nothing_of_the_run_before(bench, monkeypatch):
    first = bench.submit(sleeper(bench, "a"))
    monkeypatch.setenv("LANGUAGE", "xy")
    report = "echo $LANGUAGE $PPID $(ps -o sid= -p $PPID); ls -l /proc/$PPID/fd | grep -c runs/a- "
    second = bench.submit(bench.task(report, name="b", compute=cluster(1)))
    bench.wait_until_running(first)
    ended = json.loads((bench.folder / "runs" / first.id / "supervisor.json").read_text())["pid"]
    let_end(bench, "a")
    bench.wait_until_ended(second)
    language, supervisor, session, files = bench.log(second).split()
    assert (language, session, files) == ("xy", supervisor, "0")
    assert int(supervisor) != ended
    until(lambda: has_ended(ended))
    assert bench.condition(first).phase is Phase.SUCCEEDED
    assert Path(bench.folder / "runs" / second.id / "supervisor.log").read_text() == ""


def test_no_process_is_signalled_by_a_number_that_was_noted_before_a_reboot(bench):
    task = bench.task("echo $$; trap '' TERM; sleep 300; sleep 300", name="a")
    handle = bench.submit(task)
    bench.wait_until_running(handle)
    folder = bench.folder / "runs" / handle.id
    bench.kill_runner(task, handle)
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as bystander:
        try:
            for name in ("supervisor.json", "command.json"):
                (folder / name).write_text(json.dumps({"pid": bystander.pid, "pgid": bystander.pid}))
            (bench.folder / "tokens" / task.token).write_text(json.dumps({"pid": bystander.pid}))
            assert bench.backend.cancel(handle)
            assert has_ended(int(bench.log(handle)))
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_what_a_job_writes_about_its_place_in_the_queue_is_not_believed(bench, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "000-1.json").write_text("{}")
    forged = json.dumps({"entry": str(elsewhere / "000-1.json")})
    handle = bench.submit(bench.task(f"echo '{forged}' > ../queue.json; exit 3", name="a", compute=cluster(1)))
    assert bench.wait_until_ended(handle).phase is Phase.FAILED
    bench.backend.cancel(handle)
    assert [path.name for path in elsewhere.iterdir()] == ["000-1.json"]
    assert bench.condition(handle).phase is Phase.FAILED
