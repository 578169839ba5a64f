"""Parallel steps of pipelines by whole commands: what the plan says, the results in order, progress, and errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from workspaces import APPLY, commit, edit, git, until

from pipelines.edits import commit_edit, make_repository
from pipelines.test_bad_input import wrong

SCORED = Path(__file__).parent / "scored"
JOB, COMPONENT, SCRIPT = "jobs/score.yml", "components/double.yml", "src/double.py"
RAISE = "raise ValueError(f'no number in {mini_batch[0][-7:]}')"
WRONG = (
    wrong("partitions", (JOB, 'mini_batch_size: "1"', "partition_keys: [store]")),
    wrong("an output that is none", (COMPONENT, "append_row_to: ${{outputs.lines}}", "append_row_to: lines.txt")),
    wrong("a threshold that is none", (COMPONENT, "--resource_monitor_interval 20", "--error_threshold few")),
    wrong("no script", (COMPONENT, "  entry_script: double.py\n", "")),
    wrong("a script that is not there", (COMPONENT, "double.py", "triple.py")),
    wrong("a model", (COMPONENT, "numbers: {type: uri_folder}", "numbers: {type: mlflow_model}")),
)


@pytest.fixture
def folder(tmp_path):
    return make_repository(tmp_path / "scored", SCORED)


def show(mlgit, folder) -> dict:
    return json.loads(mlgit("job", "show", "score", "--format", "json", cwd=folder).out)


def test_a_plan_says_what_runs_and_which_arguments_have_no_effect(folder, mlgit, golden):
    planned = mlgit("plan", cwd=folder)
    assert planned.code == 0, planned.err
    golden("pipelines/parallel-plan.txt", planned.out)


def test_what_cannot_run_is_said_by_the_plan_at_its_line(folder, mlgit, golden):
    texts = []
    for change in WRONG:
        commit_edit(folder, change)
        planned = mlgit("plan", cwd=folder)
        assert planned.code == (0 if ": error: " not in planned.err else 1)
        texts.append(f"# {change.name}\n\n{planned.err}")
        git(folder, "revert", "--no-edit", "HEAD")
    golden("pipelines/parallel-bad-input.txt", "\n".join(texts))


@pytest.mark.slow
def test_no_item_is_lost_or_doubled_while_workers_are_killed_and_a_result_is_reused(folder, mlgit, tmp_path):
    applied = mlgit(*APPLY, cwd=folder)
    assert applied.code == 0, applied.out + applied.err
    run = show(mlgit, folder)
    log = mlgit("job", "logs", f"{run['run']}/score", cwd=folder).out
    assert "parallel: 1000 files in 1000 mini-batches, 3 worker processes" in log
    assert log.count("was ended by SIGKILL; another one repeats it") == 10
    assert "parallel: 1000 of 1000 mini-batches done" in log
    step = next(item for item in run["steps"] if item["step"] == "score")
    counts = {"mini_batches": 1000, "mini_batches_done": 1000, "mini_batches_failed": 0}
    assert step["metrics"] == counts
    downloaded = mlgit("job", "download", f"{run['run']}/score", str(tmp_path / "got"), cwd=folder)
    assert downloaded.code == 0, downloaded.err
    texts = [path.read_text() for path in (tmp_path / "got").rglob("lines") if path.is_file()]
    assert texts == ["".join(f"{2 * number}\n" for number in range(1000))]
    workers = (JOB, "max_concurrency_per_instance: 3", "max_concurrency_per_instance: 1")
    commit_edit(
        folder, wrong("operation", workers, (JOB, "max_retries: 2, timeout: 60", "max_retries: 5, timeout: 30"))
    )
    assert mlgit(*APPLY, cwd=folder).code == 0
    again = show(mlgit, folder)
    assert again["run"] != run["run"]
    step = next(item for item in again["steps"] if item["step"] == "score")
    assert step["reused_from"] == f"{run['run']}/score"


@pytest.mark.slow
def test_the_exception_of_the_script_is_the_reason_of_the_step(folder, mlgit):
    edit(folder, SCRIPT, "        os.kill(os.getpid(), signal.SIGKILL)", f"        {RAISE}")
    edit(folder, SCRIPT, '03.txt") and is_first_time(mini_batch[0])', '003.txt")')
    edit(folder, JOB, "seq -w 0 999", "seq -w 0 019")
    commit(folder)
    applied = mlgit(*APPLY, cwd=folder)
    assert applied.code == 1
    failed = next(item for item in show(mlgit, folder)["steps"] if item["step"] == "score")
    place = "(run(), double.py:23)"
    counts = "1 of 20 mini-batches failed, mini_batch_error_threshold is 0"
    assert failed["message"] == f"ValueError: no number in 003.txt {place}: {counts}"
    assert f"score: ValueError: no number in 003.txt {place}" in applied.out + applied.err


@pytest.mark.slow
def test_progress_is_shown_while_a_step_goes_on(folder, mlgit, mlgit_process):
    edit(folder, SCRIPT, "        os.kill(os.getpid(), signal.SIGKILL)", "        pass")
    edit(folder, SCRIPT, "    return [int", "    __import__('time').sleep(1)\n    return [int")
    edit(folder, JOB, "seq -w 0 999", "seq -w 0 059")
    commit(folder)
    applying = mlgit_process(*APPLY, cwd=folder)
    pattern = re.compile(r"parallel: \d+ of 60 mini-batches done")
    until(lambda: pattern.search(mlgit("job", "logs", "score/score", cwd=folder).out))
    shown = until(lambda: re.search("mini_batches_done.*", mlgit("job", "show", "score/score", cwd=folder).out))
    assert applying.poll() is None
    assert shown
    mlgit("job", "cancel", "score", cwd=folder)
    applying.communicate(timeout=180)
