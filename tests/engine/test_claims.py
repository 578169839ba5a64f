"""What an apply is at is its own: others leave it out and do the rest, and take over from one that is no more."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest
from workspaces import APPLY, SMALL, commit, edit, git, until, write

from reconciler.engine import locking

pytestmark = pytest.mark.slow

CLAIMS = "refs/mlgit/small/default/claims"


def held(folder):
    """Name the claims and beats there are."""
    refs = git(folder, "for-each-ref", "--format=%(refname)", "refs/mlgit").splitlines()
    return [ref for ref in refs if "/claims" in ref or "/beat/" in ref]


@pytest.fixture
def building(bench, paced, mlgit_process):
    """Give an apply that has begun to build."""
    ci = {"GITHUB_SERVER_URL": "https://ci.example.org", "GITHUB_REPOSITORY": "team/iris", "GITHUB_RUN_ID": "7"}
    process = mlgit_process(*APPLY, cwd=bench.folder, env={**paced.environment, **ci})
    until(paced.builds)
    yield process
    paced.go_on()
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
    process.communicate(timeout=60)


def another(folder, name="more"):
    """Declare another data asset."""
    files = {f"data/{name}.yml": SMALL["data/numbers.yml"].replace("numbers", name), f"data/{name}.csv": f"{name}\n"}
    commit(folder, name, files)


def ended_well(process):
    out, said = process.communicate(timeout=90)
    assert process.returncode == 0, said
    return out


def test_what_another_apply_is_at_is_left_out_and_everything_else_goes_on(  # noqa: PLR0913, PLR0917 - fixtures
    building, bench, paced, mlgit, golden, listed
):
    another(bench.folder)
    second = mlgit("apply", "--auto-approve", cwd=bench.folder)
    assert second.code == 1, second.err
    golden("cli/claims/left-out.txt", second.out)
    assert "data/more" in [each["address"] for each in listed(bench.folder, "list", "data")]
    assert paced.builds() == ["plain"]
    paced.go_on()
    ended_well(building)
    assert mlgit("plan", cwd=bench.folder).out.startswith("No changes. ")
    assert len(bench.executions()) == 1
    assert held(bench.folder) == []


def test_an_apply_that_waits_goes_on_when_the_other_has_ended(building, bench, paced, mlgit_process):
    second = mlgit_process(*APPLY, cwd=bench.folder, env=paced.environment)
    assert second.stdout
    next(line for line in second.stdout if "is being changed by ada on here" in line)
    paced.go_on()
    ended_well(building)
    ended_well(second)
    assert len(bench.executions()) == 1
    assert paced.builds() == ["plain"]
    assert held(bench.folder) == []


def test_claims_are_listed_and_can_be_taken_away_after_which_the_other_can_record_nothing(  # noqa: PLR0913, PLR0917 - fixtures
    building, bench, paced, mlgit, golden, listed
):
    (claim,) = listed(bench.folder, "unlock")
    assert (claim["user"], claim["host"], claim["ci"]) == (
        "ada",
        "here",
        "https://ci.example.org/team/iris/actions/runs/7",
    )
    assert "environment/plain" in claim["exclusive"]
    assert [each["token"][:8] for each in claim["intents"]] == [each["run"][-8:] for each in claim["intents"]]
    wrong = mlgit("unlock", "0" * 12, cwd=bench.folder)
    assert (wrong.code, "[holder-unknown]" in wrong.err) == (1, True)
    away = mlgit("unlock", claim["holder"], "--auto-approve", cwd=bench.folder)
    golden("cli/claims/unlock.txt", away.out.replace(claim["holder"], "<holder>"))
    assert held(bench.folder) == []
    assert mlgit("unlock", cwd=bench.folder).out == "There are no locks.\n"
    before = git(bench.folder, "rev-parse", "refs/mlgit/small/default/live")
    paced.go_on()
    _, said = building.communicate(timeout=60)
    assert building.returncode == 1
    golden("cli/claims/lost.txt", said)
    assert git(bench.folder, "rev-parse", "refs/mlgit/small/default/live") == before
    assert bench.executions() == []
    assert mlgit(*APPLY, cwd=bench.folder).code == 0


def test_a_claim_that_cannot_be_read_is_named_and_can_be_taken_away(bench, paced, mlgit):
    write(bench.folder / ".git", {"broken": "no claim"})
    tree = _tree(bench.folder, git(bench.folder, "hash-object", "-w", ".git/broken"))
    git(bench.folder, "update-ref", CLAIMS, git(bench.folder, "commit-tree", "-m", "x", tree))
    paced.go_on()
    ended = mlgit(*APPLY, cwd=bench.folder)
    assert ended.code == 1
    assert "the lock abc.json cannot be read [lock-corrupt]" in ended.err
    assert mlgit("unlock", "abc", "--auto-approve", cwd=bench.folder).code == 0
    assert mlgit(*APPLY, cwd=bench.folder).code == 0


def test_the_claim_of_an_apply_that_was_killed_is_taken_over_at_once_and_not_in_silence(building, bench, paced, mlgit):
    building.kill()
    building.wait(30)
    paced.go_on()
    second = mlgit(*APPLY, cwd=bench.folder)
    assert second.code == 0, second.err
    said = "took over from ada on here (https://ci.example.org/team/iris/actions/runs/7), since "
    assert said in second.out
    assert mlgit("log", cwd=bench.folder).out.count(said) == 1
    assert len(bench.executions()) == 1
    assert held(bench.folder) == []


@pytest.mark.parametrize("journal", ["deleted", "torn", "nonsense"])
def test_what_became_of_the_journal_changes_nothing(journal, building, bench, paced, mlgit):
    building.kill()
    building.wait(30)
    paced.go_on()
    path = bench.folder / ".git/mlgit/journal-small-default.jsonl"
    assert json.loads(path.read_text().splitlines()[0])["event"] == "begun"
    if journal == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9] if journal == "torn" else b'\xff\x00{"event": "begun"}\n[]\n{"holder"')
    second = mlgit(*APPLY, cwd=bench.folder)
    assert second.code == 0, second.err
    assert "took over from ada on here" in second.out
    assert len(bench.executions()) == 1
    assert mlgit("plan", cwd=bench.folder).out.startswith("No changes. ")


def test_a_claim_left_by_a_killed_apply_goes_though_nothing_is_left_to_do(building, bench, paced, mlgit):
    building.kill()
    building.wait(30)
    for name in ("jobs/sum.yml", "models/total.yml", "environments/plain.yml"):
        (bench.folder / name).unlink()
    commit(bench.folder, "less")
    ended = mlgit(*APPLY, cwd=bench.folder)
    assert ended.code == 0, ended.err
    assert held(bench.folder) == []


def test_a_holder_that_was_stopped_past_its_lease_wakes_up_and_can_write_nothing(
    building, bench, paced, mlgit, mlgit_process
):
    building.send_signal(signal.SIGSTOP)
    early = mlgit("apply", "--auto-approve", cwd=bench.folder)
    assert early.code == 1  # its lease has only begun to run out
    assert "is being changed by ada on here" in early.out
    paced.go_on()
    second = mlgit_process(*APPLY, cwd=bench.folder, env=paced.environment)
    assert "took over from ada on here" in ended_well(second)
    before = git(bench.folder, "rev-parse", "refs/mlgit/small/default/live")
    building.send_signal(signal.SIGCONT)
    _, said = building.communicate(timeout=60)
    assert building.returncode == 1
    assert "[lock-lost]" in said
    assert git(bench.folder, "rev-parse", "refs/mlgit/small/default/live") == before
    assert len(bench.executions()) == 1
    assert mlgit("plan", cwd=bench.folder).out.startswith("No changes. ")
    assert held(bench.folder) == []


def test_beats_keep_the_claim_of_a_long_action_alive(building, bench, paced, mlgit):
    began = time.monotonic()
    while time.monotonic() < began + 4:  # four times its lease
        second = mlgit("apply", "--auto-approve", cwd=bench.folder)
        assert second.code == 1
        assert "took over" not in second.out
    paced.go_on()
    ended_well(building)


def test_a_clock_that_is_set_back_by_a_day_changes_nothing(building, bench, paced, mlgit, monkeypatch):
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    monkeypatch.setattr(locking, "utc_timestamp", lambda: "2001-01-01T00:00:00Z")
    for _ in range(2):
        second = mlgit("apply", "--auto-approve", cwd=bench.folder)
        assert second.code == 1
        assert "is being changed by ada on here" in second.out
    building.kill()
    building.wait(30)
    paced.go_on()
    second = mlgit(*APPLY, cwd=bench.folder)
    assert second.code == 0, second.err
    assert "took over from ada on here" in second.out
    assert held(bench.folder) == []


# A backend like local that stops its own process, once, between the intent and the submission.
_SLEEPER = """
import pathlib, signal, threading
from reconciler.backends import local

class Sleeper(local.LocalBackend):
    def submit(self, submission):
        order = pathlib.Path(__file__).with_name("sleep")
        if order.exists():
            order.rename(order.with_name("asleep"))
            # To this thread: one to the process may stop another first, and let this one go on for a while.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        super().submit(submission)

def make(settings, store):
    return Sleeper(store)
"""


def test_a_submission_that_is_finished_by_two_is_executed_once(bench, paced, mlgit, mlgit_process):
    write(
        paced.folder,
        {
            "sleeper.py": _SLEEPER,
            "sleep": "",
            "sleeper-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: sleeper\nVersion: 1\n",
            "sleeper-1.dist-info/entry_points.txt": "[mlgit.backends]\nsleeper = sleeper:make\n",
        },
    )
    edit(bench.folder, "mlgit.yml", "type: local", "type: sleeper")
    commit(bench.folder)
    paced.go_on()
    first = mlgit_process(*APPLY, cwd=bench.folder, env=paced.environment)
    until((paced.folder / "asleep").exists, 60)
    second = mlgit_process(*APPLY, cwd=bench.folder, env=paced.environment)
    assert "took over from" in ended_well(second)
    first.send_signal(signal.SIGCONT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 1
    assert "[lock-lost]" in said
    assert len(bench.executions()) == 1
    plan = mlgit_process("plan", cwd=bench.folder, env=paced.environment)
    assert ended_well(plan).startswith("No changes. ")


def _tree(folder, oid):
    line = f"100644 blob {oid}\tabc.json\n"
    made = subprocess.run(["git", "mktree"], cwd=folder, input=line, capture_output=True, text=True, check=True)
    return made.stdout.strip()
