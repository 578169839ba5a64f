"""What Slurm is given and what it says, without Slurm: batch scripts, listings of jobs, settings."""

from __future__ import annotations

import json
import shlex
import subprocess
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.backends import _slurm_commands, _slurm_find
from reconciler.backends._runner import CommandEnvironment, make_spec
from reconciler.backends._slurm_end import ended_condition
from reconciler.backends._slurm_script import make_instance_script, make_script, time_limits
from reconciler.backends._slurm_states import (
    Job,
    end_message,
    parse_accounted_jobs,
    parse_jobs,
    stopped_state,
    waiting_message,
)
from reconciler.backends.slurm import BACKEND
from reconciler.diagnostics import UserError
from reconciler.model import Phase
from reconciler.model.providers import CANCELED
from reconciler.model.tasks import Prefix, Resources, Task
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.fast
_DOWN = "waits for nodes that are down, drained or reserved: ask who runs the cluster (sinfo -R)"
_NEVER = "never starts: no node has what it asks for; correct constraint:, cpus:, memory: or gres: in mlgit.yml"
FOLDER = Path("/shared/mlgit/runs/train-0badcafe")
ALL = {
    "partition": "gpu,big",
    "account": "research",
    "qos": "long",
    "reservation": "friday",
    "constraint": "a100&(intel|amd)",
    "nodelist": "node[1-4],big-7",
    "exclude": "node3",
    "cpus": 4,
    "memory": "16G",
    "gres": "gpu:a100:1",
    "time": "2h",
}


RUNNER = ("/usr/bin/python3", "-I", "-S", "/shared/mlgit/runners/abc.pyz")


def task(address="job/train", **resources):
    environment = Prefix("/env", "here")
    return Task("train-0badcafe", address, "0badcafe" * 5, "true", environment, resources=Resources(**resources))


def script(settings, folder=FOLDER, address="job/train", **resources):
    return make_script(task(address, **resources), settings, folder, RUNNER, folder / "spec.json")


@pytest.mark.parametrize(
    ("name", "settings", "resources"),
    [
        ("plain", {}, {}),
        ("all", ALL, {}),
        ("limits", {}, {"timeout": 3600.5, "cpus": 2, "memory": 3 << 30, "gpus": 2}),
        ("above", ALL, {"timeout": 86400.0}),
        ("nodes", ALL, {"instances": 3}),
    ],
)
def test_a_script_has_what_the_settings_and_the_job_ask_for(golden, name, settings, resources):
    golden(f"backends/slurm/{name}.sh", script(settings, **resources))


def test_a_script_of_odd_names_has_no_option_or_command_of_theirs(golden):
    odd = "a\n#SBATCH --uid=0\r\0 --wrap=x \"b\" 'c' $(id) `id` \\ # %j"
    folder = Path("/shared") / 'it\'s $(id) "%j" #'
    golden("backends/slurm/odd.sh", script({}, folder, odd))


def test_a_second_script_starts_an_instance_on_another_node(golden):
    folder = Path("/shared") / 'it\'s $(id) "%j" #'
    golden("backends/slurm/instance.sh", make_instance_script(folder, RUNNER, folder / "spec.json"))


def test_a_script_that_slurm_begins_again_says_so_and_starts_nothing(tmp_path):
    folder = tmp_path / "a b"
    folder.mkdir()
    (tmp_path / "job.sh").write_text(make_script(task(), {}, folder, ("/bin/false",), folder / "spec.json"))
    begun = subprocess.run(["/bin/sh", tmp_path / "job.sh"], env={"SLURM_RESTART_COUNT": "1"}, check=False)
    assert begun.returncode == 1
    assert stopped_state((folder / "slurm-stop.txt").read_text()) == "REQUEUED"
    ended = ended_condition(run_folder(folder), Job("7", "a", "FAILED", "main", "NonZeroExitCode"))
    assert (ended.phase, ended.message) == (Phase.GONE, "its job was requeued, and is not begun again")


@given(st.text(), st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs", "Cc"]), min_size=1))
def test_no_text_adds_a_line_to_a_script(address, name):
    plain, odd = script({}), script({}, Path("/shared") / f"x{name}", address)
    assert len(odd.split("\n")) == len(plain.split("\n"))
    assert [line.partition("=")[0] for line in odd.split("\n") if line.startswith("#SBATCH")] == [
        line.partition("=")[0] for line in plain.split("\n") if line.startswith("#SBATCH")
    ]
    assert "\r" not in odd
    assert shlex.split(odd.split("\nstop() ")[1].split("\n")[2], comments=False)[-2] == f"/shared/x{name}/spec.json"


@pytest.mark.parametrize(
    ("timeout", "longest", "limits"),
    [
        (None, None, (None, None)),
        (60.0, None, (6, 60.0)),
        (61.0, None, (7, 61.0)),
        (None, "10m", (10, 540)),
        (None, "1m", (1, 30)),
        (None, "2d", (2880, 172740)),
        (60.0, "10m", (6, 60.0)),
        (600.0, "10m", (10, 540)),
    ],
)
def test_the_command_is_ended_before_slurm_ends_the_job(timeout, longest, limits):
    assert time_limits(timeout, longest) == limits


def test_of_several_jobs_with_one_name_the_active_one_counts_else_the_last():
    text = "7|a|FAILED|main|NonZeroExitCode\n9|a|COMPLETED|main|None\n3|b|RUNNING|main|None\n8|b|FAILED|one|x|y\n\n"
    jobs = parse_jobs(text)
    assert jobs == {"a": Job("9", "a", "COMPLETED", "main", "None"), "b": Job("3", "b", "RUNNING", "main", "None")}
    assert parse_jobs("8|b|FAILED|one|x|y")["b"].reason == "x|y"
    assert parse_jobs("8|b|RUNNING|one|None\n9|b|PENDING|one|None")["b"].number == "8"


def test_of_several_jobs_with_one_name_the_accounting_has_the_one_that_was_submitted_last():
    text = (
        "2026-12-01T04:00:02|9|a|CANCELLED by 1000|main|0:15|None\n"
        "2026-12-02T04:00:00|7|a|FAILED|one|3:0|x|y\n"
        "2026-12-01T04:00:03|8|b|CANCELLED by 1000|main|0:0|None\n\n"
    )
    assert parse_accounted_jobs(text) == {
        "a": Job("7", "a", "FAILED", "one", "x|y", "ExitCode 3:0"),
        "b": Job("8", "b", "CANCELLED", "main", "None", user="1000"),
    }


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("None", "waits for the scheduler of Slurm"),
        ("Priority", "waits until jobs before it have started (Priority)"),
        ("ReqNodeNotAvail, UnavailableNodes:n1", f"{_DOWN} (ReqNodeNotAvail, UnavailableNodes:n1)"),
        ("BadConstraints", f"{_NEVER} (BadConstraints)"),
        ("QOSMaxJobsPerUserLimit", "waits for a limit of its account or qos (QOSMaxJobsPerUserLimit)"),
        (
            "QOSMaxCpuPerJobLimit",
            "never starts: it is above a limit of its account or qos (QOSMaxCpuPerJobLimit)",
        ),
        ("SomethingNew", "waits (SomethingNew)"),
    ],
)
def test_a_reason_to_wait_is_said_in_words(reason, message):
    assert waiting_message(reason) == message


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("JobId=1 JobState=COMPLETING Reason=None PreemptTime=2026-11-30T17:14:12", "PREEMPTED"),
        ("JobId=1 JobState=COMPLETING Reason=TimeLimit PreemptTime=None", "TIMEOUT"),
        ("JobId=1 JobState=COMPLETING Reason=None PreemptTime=None Restarts=0", ""),
        ("Restarts=1\n", "REQUEUED"),
        ("", ""),
    ],
)
def test_why_slurm_stops_a_job_is_read_from_what_it_says_meanwhile(text, state):
    assert stopped_state(text) == state


def test_a_run_without_a_result_says_how_its_job_ended():
    job = Job("7", "a", "FAILED", "main", "NonZeroExitCode")
    end = partial(end_message, is_started=False)
    assert end(job, "sh: 1: python: not found") == (
        "job 7 of Slurm ended without a result (FAILED): sh: 1: python: not found"
    )
    assert end(job, "/var/spool/slurm_script: 16: /opt/py/bin/python3: not found").endswith(
        "(FAILED): its node has no /opt/py/bin/python3; set python: of the backend to one that all nodes have"
    )
    assert end(job._replace(reason="JobLaunchFailure"), "") == (
        "its node could not start it, perhaps as it does not see folder: of the backend, "
        "which all nodes must see under the same path (JobLaunchFailure)"
    )
    assert end_message(job._replace(reason="JobLaunchFailure"), "", is_started=True) == (
        "its batch script was killed on its node (JobLaunchFailure)"
    )
    since, accounted = job._replace(reason="RaisedSignal:9(Killed)"), job._replace(reason="None", exit="ExitCode 0:9")
    for killed, word in ((since, "RaisedSignal:9(Killed)"), (accounted, "ExitCode 0:9")):
        assert end_message(killed, "", is_started=True) == f"its batch script was killed on its node ({word})"
    assert end(job._replace(state="NODE_FAIL", reason="None"), "x") == "its node failed"
    assert end(job._replace(exit="ExitCode 3:0"), "") == "job 7 of Slurm ended without a result (FAILED, ExitCode 3:0)"
    assert end(None, "") == "its job has left no result, and Slurm does not know it any more"


@pytest.mark.parametrize(
    ("settings", "is_valid"),
    [
        ({"folder": "/shared/mlgit", **ALL}, True),
        ({"folder": "~/mlgit", "machine": "login1", "user": "ml"}, True),
        ({}, False),
        ({"folder": "mlgit"}, False),
        ({"folder": "/a\nb"}, False),
        ({"folder": "/a\\b"}, False),
        ({"folder": "/a", "user": "ml"}, False),
        ({"folder": "/a", "partition": "a b"}, False),
        ({"folder": "/a", "partition": "-p"}, False),
        ({"folder": "/a", "constraint": "a\n#SBATCH --uid=0"}, False),
        ({"folder": "/a", "memory": "16"}, False),
        ({"folder": "/a", "time": "2:00:00"}, False),
        ({"folder": "/a", "time": 7200}, False),
        ({"folder": "/a", "nodes": 2}, False),
        ({"folder": "/a", "nodelist": "-w"}, False),
        ({"folder": "/a", "exclude": "n1 n2"}, False),
    ],
)
def test_settings_are_checked_before_slurm_is_asked(settings, is_valid):
    assert Draft202012Validator(BACKEND.settings).is_valid(settings) is is_valid


def test_a_machine_without_the_commands_of_slurm_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(_slurm_commands, "_FOLDERS", ())
    with pytest.raises(UserError) as caught:
        _slurm_commands.call("squeue")
    assert caught.value.diagnostics[0].code == "backend-unreachable"
    assert "squeue of Slurm is not installed on" in caught.value.diagnostics[0].message
    (warning,) = _slurm_find.find_refusals({"folder": "/shared"})
    assert "sbatch, which is not installed on" in warning.message
    assert _slurm_find.find_refusals({"folder": "/shared", "machine": "login1"}) == ()


def run_folder(tmp_path):
    """Return the folder of a run that has not ended."""
    spec = make_spec(task(), CommandEnvironment((), {}), FolderStore(tmp_path / "store"), tmp_path, tmp_path / "token")
    (tmp_path / "spec.json").write_text(json.dumps(spec.to_json()))
    return tmp_path


_MEMORY_MESSAGE = "it used more memory than Slurm gives to a job that asks for none: set memory: of the backend"


@pytest.mark.parametrize(
    ("state", "kind", "message"),
    [
        ("OUT_OF_MEMORY", "user", _MEMORY_MESSAGE),
        ("TIMEOUT", "timeout", "Slurm has ended the run at its time limit"),
        ("DEADLINE", "timeout", "Slurm has ended the run at its time limit"),
    ],
)
def test_a_run_that_slurm_ends_for_what_it_used_has_failed(tmp_path, state, kind, message):
    folder = run_folder(tmp_path)
    condition = ended_condition(folder, Job("7", "a", state, "main", "None"))
    assert condition.phase is Phase.FAILED
    assert (condition.result["failure"]["class"], condition.result["failure"]["message"]) == (kind, message)
    assert ended_condition(folder, None) == condition


def test_a_run_whose_job_another_user_canceled_says_who(tmp_path):
    condition = ended_condition(run_folder(tmp_path), Job("7", "a", "CANCELLED", "main", "None", user="4294967000"))
    assert (condition.phase, condition.reason) == (Phase.FAILED, CANCELED)
    assert condition.message == "user 4294967000 canceled its job"


def test_a_run_that_mlgit_has_not_canceled_says_so(tmp_path):
    folder = run_folder(tmp_path)
    job = Job("7", "a", "CANCELLED", "main", "None")
    assert ended_condition(folder, job).message == "its job was ended outside of mlgit, as with scancel"
    (folder / "cancel").touch()
    assert ended_condition(folder, job).message == ""


def test_what_slurm_has_said_of_an_end_counts_when_it_has_forgotten_it(tmp_path):
    folder = run_folder(tmp_path)
    lost = ended_condition(folder, Job("7", "a", "NODE_FAIL", "main", "None"))
    assert (lost.phase, lost.message) == (Phase.GONE, "its node failed")
    assert ended_condition(folder, None) == lost


def test_a_run_whose_runner_was_killed_says_so(tmp_path):
    folder = run_folder(tmp_path)
    (folder / "apart-end.json").write_text("{}")
    condition = ended_condition(folder, Job("7", "a", "FAILED", "main", "NonZeroExitCode"))
    assert (condition.phase, condition.message) == (Phase.GONE, "its runner was killed")
