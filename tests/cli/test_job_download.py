"""mlgit job download: the outputs of a run are written into a folder, as `az ml job download` lays them out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspaces import APPLY, commit, edit, git, put, until

pytestmark = pytest.mark.slow

SCRIPT = """
    import pathlib, sys
    out = pathlib.Path(sys.argv[3])
    (out / "deep").mkdir()
    (out / "total.txt").write_text("12")
    (out / "deep" / "log.txt").write_text("deep")
    pathlib.Path("outputs").mkdir(exist_ok=True)
    pathlib.Path("outputs/model.txt").write_text("model")
    """
ARTIFACT, TOTAL, DEEP = (
    "artifacts/outputs/model.txt",
    "named-outputs/total/total.txt",
    "named-outputs/total/deep/log.txt",
)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def two_outputs(small, mlgit):
    """Apply a job that writes an output and artifacts."""
    commit(small, "outputs", {"src/sum.py": SCRIPT})
    assert mlgit(*APPLY, cwd=small).code == 0
    return small


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def run_id(mlgit, folder):
    return json.loads(mlgit("job", "show", "sum", "--format", "json", cwd=folder).out)["run"]


def failed(mlgit, folder, *arguments):
    ended = mlgit("job", "download", *arguments, cwd=folder)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("error: ") == 1
    return ended.err


def test_every_output_is_written_where_az_ml_writes_it(two_outputs, mlgit, out, golden):
    by_job = mlgit("job", "download", "sum", str(out), cwd=two_outputs)
    assert (by_job.code, by_job.err) == (0, "")
    golden("cli/job-download/all.txt", by_job.out)
    assert files(out) == {ARTIFACT, TOTAL, DEEP}
    run = run_id(mlgit, two_outputs)
    ways = {
        "run": (run, str(out / "run")),
        "file": ("jobs/sum.yml", str(out / "file"), "--all"),
        "az": ("--name", run, "--all", "--download-path", str(out / "az")),
        "short": ("-n", run, "-p", str(out / "short")),
    }
    for name, arguments in ways.items():
        assert mlgit("job", "download", *arguments, cwd=two_outputs).code == 0
        assert files(out / name) == {ARTIFACT, TOTAL, DEEP}


def test_without_a_folder_the_current_one_is_written_to_as_by_az_ml(two_outputs, mlgit):
    assert mlgit("job", "download", "sum", cwd=two_outputs).code == 0
    assert {ARTIFACT, TOTAL, DEEP} <= files(two_outputs)


def test_one_output_is_written_straight_into_the_folder_or_where_az_ml_writes_it(two_outputs, mlgit, out):
    straight = mlgit("job", "download", "sum", "--output", "total", str(out / "1"), cwd=two_outputs)
    assert (straight.code, files(out / "1")) == (0, {"total.txt", "deep/log.txt"})
    for number, extra in (("2", ()), ("3", ("--all",))):  # in az ml, a name comes before --all
        arguments = ("--name", "sum", *extra, "--output-name", "total", "--download-path", str(out / number))
        assert mlgit("job", "download", *arguments, cwd=two_outputs).code == 0
        assert files(out / number) == {TOTAL, DEEP}
    assert mlgit("job", "download", "sum", str(out / "4"), "--output", "artifacts", cwd=two_outputs).code == 0
    assert files(out / "4") == {"outputs/model.txt"}


def test_a_second_download_writes_nothing_and_a_different_file_needs_force(two_outputs, mlgit, out):
    for written in (3, 0):
        ended = mlgit("job", "download", "sum", str(out), "--format", "json", cwd=two_outputs)
        document = json.loads(ended.out)
        assert (document["written"], document["files"], document["outputs"]) == (written, 3, ["artifacts", "total"])
    (out / TOTAL).write_text("mine", "utf-8")
    assert f"{TOTAL} [target-exists]" in failed(mlgit, two_outputs, "sum", str(out))
    assert (out / TOTAL).read_text("utf-8") == "mine"
    assert mlgit("job", "download", "sum", str(out), "--force", cwd=two_outputs).code == 0
    assert (out / TOTAL).read_text("utf-8") == "12"


def test_an_older_run_is_downloaded_by_its_name(two_outputs, mlgit, out):
    older = run_id(mlgit, two_outputs)
    edit(two_outputs, "src/sum.py", '"12"', '"13"')
    commit(two_outputs)
    assert mlgit(*APPLY, cwd=two_outputs).code == 0
    for name, run in (("12", older), ("13", "sum")):
        assert mlgit("job", "download", run, str(out / name), cwd=two_outputs).code == 0
        assert (out / name / TOTAL).read_text("utf-8") == name


@pytest.mark.parametrize("option", ["--output", "--output-name"])
def test_an_unknown_output_is_an_error_with_a_suggestion(two_outputs, mlgit, out, golden, option):
    golden("cli/job-download/misspelt.txt", failed(mlgit, two_outputs, "sum", str(out), option, "totl"))
    golden("cli/job-download/unknown.txt", failed(mlgit, two_outputs, "sum", str(out), option, "xyz"))
    assert not out.exists()


def test_a_run_that_failed_or_was_canceled_says_where_its_files_are(small, mlgit, out, golden):
    commit(small, "fails", {"src/sum.py": "raise SystemExit(3)"})
    assert mlgit(*APPLY, cwd=small).code == 1
    golden("cli/job-download/failed.txt", failed(mlgit, small, "sum", str(out)))
    assert not out.exists()


def test_a_run_that_has_not_ended_or_is_not_recorded_says_what_to_wait_for(small, mlgit, out, golden, tmp_path):
    go = tmp_path / "go"
    script = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.02)"
    commit(small, "waits", {"src/sum.py": f"{script}\n{SCRIPT}".replace("\n    ", "\n")})
    assert mlgit("apply", "--auto-approve", cwd=small).code == 0
    until(lambda: "status: running" in mlgit("job", "show", "sum", cwd=small).out)
    golden("cli/job-download/running.txt", failed(mlgit, small, "sum", str(out)))
    go.touch()
    assert mlgit("job", "wait", "sum", cwd=small).code == 0
    golden("cli/job-download/unrecorded.txt", failed(mlgit, small, "sum", str(out), "--output", "total"))
    assert not out.exists()
    assert mlgit("apply", cwd=small).code == 0
    assert mlgit("job", "download", "sum", str(out), cwd=small).code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--all",),
        ("sum", "a", "b"),
        ("--name", "sum", "a", "b"),
        ("sum", "a", "--output", "x", "--output-name", "x"),
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_a_usage_error(applied, mlgit, arguments):
    failed(mlgit, applied, *arguments)


@pytest.mark.parametrize("name", ["../../outside", "/outside", "..", "a/../../../outside", ""])
def test_the_name_of_an_output_in_a_damaged_record_never_leads_out(applied, mlgit, out, name):
    ref = "refs/mlgit/small/default/live"
    paths = git(applied, "ls-tree", "-r", "--name-only", ref).splitlines()
    path = next(path for path in paths if path.startswith("history/job/"))
    run = json.loads(git(applied, "show", f"{ref}:{path}"))
    run["outputs"] = {name: run["outputs"]["total"]}
    put(applied, path, run)
    assert "[path-outside]" in failed(mlgit, applied, "sum", str(out / "deep"))
    assert not out.exists()
