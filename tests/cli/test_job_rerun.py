"""mlgit job rerun: one job and what it needs, and nothing of the others."""

from __future__ import annotations

import pytest
from workspaces import APPLY, SPARK, commit, edit, until

pytestmark = pytest.mark.slow

RERUN = ("job", "rerun", "sum", "--auto-approve", "--wait")
JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    command: {command}
    environment: azureml:plain@latest
    compute: local
    """
READS_TOTAL = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    name: check
    command: cat ${{inputs.total}}/total.txt
    environment: azureml:plain@latest
    compute: local
    inputs:
      total: {type: uri_folder, path: azureml://jobs/sum/outputs/total}
    """
FAILS = {"jobs/fails.yml": JOB.format(command="exit 3")}
WAITS = {"jobs/waits.yml": JOB.format(command="while ! test -e {go}; do sleep 0.02; done")}
MANUAL = 'assets: {include: [{glob: "**/*.yml", run: manual}]}\nstore:'


def test_a_rerun_exits_with_zero_although_another_job_has_failed(small, mlgit):
    commit(small, "fails", FAILS)
    assert mlgit(*APPLY, cwd=small).code == 1
    rerun = mlgit(*RERUN, cwd=small)
    assert (rerun.code, rerun.err) == (0, "")
    assert "jobs/fails" not in rerun.out


def test_a_rerun_exits_with_one_if_its_own_run_fails_or_is_canceled(applied, mlgit, mlgit_process):
    commit(applied, "fails", {"src/sum.py": "raise SystemExit(4)"})
    rerun = mlgit(*RERUN, cwd=applied)
    assert rerun.code == 1
    assert "the command ended with exit code 4" in rerun.out
    commit(applied, "lasts", {"src/sum.py": "import time; print('begun', flush=True); time.sleep(300)"})
    process = mlgit_process(*RERUN, cwd=applied)
    until(lambda: "begun" in mlgit("job", "logs", "sum", cwd=applied).out)
    assert mlgit("job", "cancel", "sum", cwd=applied).code == 0
    process.communicate(timeout=120)
    assert process.returncode == 1


def test_a_rerun_neither_waits_for_nor_records_the_run_of_another_job(small, mlgit, tmp_path):
    go = tmp_path / "go"
    commit(small, "waits", {"jobs/waits.yml": WAITS["jobs/waits.yml"].format(go=go)})
    assert mlgit("apply", "--auto-approve", cwd=small).code == 0
    until(lambda: "completed" in mlgit("job", "show", "sum", cwd=small).out)
    assert mlgit(*RERUN, cwd=small).code == 0
    assert "running" in mlgit("job", "show", "waits", cwd=small).out
    go.touch()
    until(lambda: "completed" in mlgit("job", "show", "waits", cwd=small).out)
    assert "jobs/waits" not in mlgit(*RERUN, cwd=small).out


def test_a_rerun_registers_and_builds_what_the_job_needs_and_nothing_else(small, mlgit, golden):
    commit(small, "more", {**FAILS, "data/other.yml": "name: other\ntype: uri_file\npath: numbers.csv\n"})
    ended = mlgit(*RERUN, cwd=small)
    assert (ended.code, ended.err) == (0, "")
    golden("cli/rerun/first.txt", ended.out.partition("  ✓ ")[0])
    assert ended.out.endswith("\nApplied 5 changes and recorded 1 run.\n")
    listed = mlgit("list", cwd=small).out
    assert "model/total" in listed
    assert "data/other" not in listed
    assert "jobs/fails" not in listed


def test_a_rerun_runs_a_job_that_it_needs_first_and_then_itself(small, mlgit):
    commit(small, "check", {"jobs/check.yml": READS_TOTAL})
    ended = mlgit("job", "rerun", "check", "--auto-approve", "--wait", cwd=small)
    assert (ended.code, ended.err) == (0, "")
    assert "also selected: job/sum (required by job/check)" in ended.out
    assert mlgit("job", "logs", "check", cwd=small).out == "12.0"
    again = mlgit("job", "rerun", "check", "--auto-approve", "--wait", cwd=small)
    assert again.code == 0
    assert len(mlgit("job", "list", "check", cwd=small).out.splitlines()) == 4
    assert len(mlgit("job", "list", "sum", cwd=small).out.splitlines()) == 3


def test_a_job_run_by_hand_that_needs_another_says_so_before_anything_is_done(small, mlgit, golden):
    edit(small, "mlgit.yml", "store:", MANUAL)
    commit(small, "check", {"jobs/check.yml": READS_TOTAL})
    ended = mlgit("job", "rerun", "check", "--auto-approve", "--wait", cwd=small)
    assert (ended.code, ended.out) == (1, "")
    golden("cli/rerun/needs-manual.txt", ended.err)
    assert mlgit(*RERUN, cwd=small).code == 0
    assert mlgit("job", "rerun", "check", "--auto-approve", "--wait", cwd=small).code == 0


def test_a_rerun_of_a_job_whose_input_failed_names_the_failure(small, mlgit, golden):
    commit(small, "check", {"jobs/check.yml": READS_TOTAL, "src/sum.py": "raise SystemExit(4)"})
    assert mlgit(*APPLY, cwd=small).code == 1
    ended = mlgit("job", "rerun", "check", "--auto-approve", "--wait", cwd=small)
    assert (ended.code, ended.out) == (1, "")
    golden("cli/rerun/needs-failed.txt", ended.err)


def test_a_rerun_while_its_input_is_being_made_waits_for_it_or_says_so(small, mlgit, mlgit_process, tmp_path, golden):
    go = tmp_path / "go"
    script = f"""
        import pathlib, sys, time
        while not pathlib.Path({str(go)!r}).exists():
            time.sleep(0.02)
        (pathlib.Path(sys.argv[3]) / "total.txt").write_text("7")
        """
    edit(
        small,
        "mlgit.yml",
        "store:",
        'assets: {include: [{glob: "**/*.yml"}, {glob: "**/check.yml", run: manual}]}\nstore:',
    )
    commit(small, "check", {"jobs/check.yml": READS_TOTAL, "src/sum.py": script})
    assert mlgit("apply", "--auto-approve", cwd=small).code == 0
    rerun = ("job", "rerun", "check", "--auto-approve")
    ended = mlgit(*rerun, cwd=small)
    assert ended.code == 1
    golden("cli/rerun/needs-running.txt", ended.err)
    process = mlgit_process(*rerun, "--wait", cwd=small)
    assert process.stdout.readline()
    go.touch()
    out, err = process.communicate(timeout=180)
    assert (process.returncode, err) == (0, "")
    assert "completed" in out
    assert mlgit("job", "logs", "check", cwd=small).out == "7"


def test_a_job_that_no_provider_supports_is_refused(small, mlgit, golden):
    commit(small, "spark", {"jobs/both.yml": SPARK})
    ended = mlgit("job", "rerun", "both", "--auto-approve", cwd=small)
    assert (ended.code, ended.out) == (1, "")
    golden("cli/rerun/unsupported.txt", ended.err)
