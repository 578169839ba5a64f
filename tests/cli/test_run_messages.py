"""What mlgit run and the commands on its runs say: what is wrong before anything runs, and the next step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspaces import commit, git, write

_SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"
_JOB = _SCHEMA.format("commandJob")
_OLD_PYTHON = '{image: "python:3.2"}'


@pytest.fixture(params=["workspace", "repository", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for job files: a workspace, a Git repository without mlgit.yml, or neither."""
    if request.param == "workspace":
        small: Path = request.getfixturevalue("small")
        return small
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "outside"
    write(folder, {"README": "jobs\n"})
    if request.param == "repository":
        git(folder, "init", "--quiet")
        commit(folder)
    return folder


def setup_command(folder: Path) -> str:
    """Return the command that makes a workspace of a folder; "" for a workspace."""
    if (folder / "mlgit.yml").exists():
        return ""
    return "`mlgit init --here`" if (folder / ".git").exists() else "`git init && mlgit init --here`"


def runs(mlgit, folder: Path) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads(mlgit("job", "list", "--format", "json", cwd=folder).out)
    return listed


@pytest.mark.parametrize(
    ("files", "position"),
    [
        ({"jobs/old.yml": f"{_JOB}command: echo hi\nenvironment: {_OLD_PYTHON}\n"}, "jobs/old.yml:3:22"),
        (
            {
                "jobs/old.yml": f"{_JOB}command: echo hi\nenvironment: azureml:old@latest\n",
                "jobs/env.yml": f'{_SCHEMA.format("environment")}name: old\nimage: "python:3.2"\n',
            },
            "jobs/env.yml:3:8",
        ),
    ],
    ids=["in the job", "in a file"],
)
@pytest.mark.parametrize("options", [(), ("--detach",), ("--format", "json")])
def test_a_python_that_is_missing_is_one_error_before_anything_is_said_to_run(place, mlgit, files, position, options):
    write(place, files)
    ended = mlgit("run", "jobs/old.yml", *options, cwd=place)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("[python-not-found]") == ended.err.count("3.2 on this machine") == 1
    assert f"{position}: error: " in ended.err
    assert runs(mlgit, place) == []


_WRONG = {
    "python": f"environment: {_OLD_PYTHON}",
    "registry": "environment: azureml://registries/none/environments/x/labels/latest",
    "recipe": "environment: azureml://registries/azureml/environments/none/labels/latest",
    "storage": 'environment: {image: "python:3.11"}\ninputs: {a: {type: uri_file, path: "wasbs://a@b/c.csv"}}',
    "download": 'environment: {image: "python:3.11"}\ninputs: {a: {type: uri_file, path: "http://127.0.0.1:1/x"}}',
}


@pytest.mark.parametrize("lines", _WRONG.values(), ids=_WRONG)
def test_a_hint_that_names_mlgit_yml_says_how_to_get_one_where_there_is_none(place, mlgit, lines):
    write(place, {"job.yml": f"{_JOB}command: echo hi\n{lines}\n"})
    ended = mlgit("run", "job.yml", cwd=place)
    assert ended.code == 1
    (hint,) = [line for line in ended.err.splitlines() if line.startswith("  help: ")]
    assert "mlgit.yml" in hint
    command = setup_command(place)
    assert hint.endswith(f"; {command} makes mlgit.yml") if command else "init --here" not in hint


def test_a_run_without_outputs_names_no_download_and_the_next_step_fits_the_place(place, mlgit):
    write(place, {"job.yml": f'{_JOB}command: echo hi\nenvironment: {{image: "python:3.11"}}\n'})
    ended = mlgit("run", "job.yml", cwd=place)
    assert ended.code == 0, ended.err
    assert "job download" not in ended.out
    assert (setup_command(place) or "`mlgit apply` then adopts this run") in ended.out.splitlines()[-1]


def test_a_note_on_the_job_does_not_repeat_its_address_and_names_a_field_once(place, mlgit):
    services = "services: {code: {type: vs_code}, lab: {type: jupyter_lab}, board: {type: tensor_board, log_dir: x}}"
    write(place, {"job.yml": f'{_JOB}command: echo hi\nenvironment: {{image: "python:3.11"}}\n{services}\n'})
    ended = mlgit("run", "job.yml", cwd=place)
    assert ended.code == 0, ended.err
    assert ended.out.count("job/job") == 1
    assert "  backend local does not use services (job.yml:4:" in ended.out


def test_a_run_that_is_canceled_or_goes_on_names_commands_that_work_there(place, mlgit):
    write(place, {"job.yml": f'{_JOB}command: sleep 60\nenvironment: {{image: "python:3.11"}}\n'})
    assert mlgit("run", "job.yml", "--detach", cwd=place).code == 0
    again = mlgit("run", "job.yml", "--detach", cwd=place)
    assert "so nothing is submitted" in again.out
    assert "following" not in again.out
    canceled = mlgit("job", "cancel", "job", cwd=place)
    assert canceled.code == 0, canceled.err
    assert canceled.out.endswith("`mlgit run` with its file runs it again.\n")


def test_a_job_without_runs_is_unknown_wherever_others_have_run(place, mlgit):
    write(place, {"job.yml": f'{_JOB}command: echo hi\nenvironment: {{image: "python:3.11"}}\n'})
    assert mlgit("run", "job.yml", cwd=place).code == 0
    ended = mlgit("job", "show", "nothing-like-it", cwd=place)
    assert ended.code == 1
    assert "there is no job or run nothing-like-it [job-unknown]" in ended.err


def test_many_known_jobs_are_named_in_part(small, mlgit):
    write(small, {f"jobs/j{number}.yml": f"{_JOB}command: echo\nenvironment: azureml:x@1\n" for number in range(9)})
    ended = mlgit("job", "show", "nothing-like-it", cwd=small)
    assert "known jobs: " in ended.err
    assert ended.err.endswith(" more\n")


def test_what_is_committed_already_is_kept_by_an_apply_alone(small, mlgit):
    write(small, {"job.yml": f'{_JOB}command: echo hi\nenvironment: {{image: "python:3.11"}}\n'})
    assert "To keep it, commit job.yml: `mlgit apply`" in mlgit("run", "job.yml", cwd=small).out
    commit(small)
    assert "To keep it, run `mlgit apply`" in mlgit("run", "job.yml", cwd=small).out
    changed = mlgit("run", "job.yml", "--set", "command=echo ho", cwd=small)
    assert "To keep it, commit job.yml with these values: `mlgit apply`" in changed.out


@pytest.mark.parametrize(("command", "log"), [("echo hi", "hi\n\n"), ("test 1", "")])
def test_one_empty_line_stands_before_the_log_and_before_the_end_of_a_run(small, mlgit, command, log):
    write(small, {"job.yml": f'{_JOB}command: {command}\nenvironment: {{image: "python:3.11"}}\n'})
    assert mlgit("run", "job.yml", cwd=small).code == 0  # which builds the environment
    ended = mlgit("run", "job.yml", "--again", cwd=small)
    assert f"image python:3.11\n\n{log}Run job-" in ended.out
    shown = mlgit("run", "job.yml", cwd=small)
    assert "use --again.\n\nRun job-" in shown.out
