"""A workspace with the builders venv and conda: each environment goes to one that can build it; jobs run in it."""

from __future__ import annotations

import json

import pytest
from services.conda_channel import PYTHON_VERSION
from workspaces import APPLY, commit, edit

from reconciler.builders import _rattler

pytestmark = [pytest.mark.services, pytest.mark.slow]

ENVIRONMENT = """\
name: {name}
image: python
conda_file:
  channels: [own]
  dependencies:
    - python={python}
    - {package}
"""
JOB = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: tinyapp && python -c 'import sys; print(sys.prefix)'
environment: azureml:apps@latest
"""


def test_a_job_runs_in_an_environment_of_conda_packages(small, mlgit, conda_channel):
    builders = {"venv": {"type": "venv"}, "conda": {"type": "conda", "mirrors": {"own": conda_channel.as_uri()}}}
    with (small / "mlgit.yml").open("a") as file:
        file.write(f"builders: {json.dumps(builders)}\n")
    files = {
        "environments/apps.yml": ENVIRONMENT.format(name="apps", python=PYTHON_VERSION, package="tinyapp"),
        "environments/plain.yml": ENVIRONMENT.format(name="plain", python=PYTHON_VERSION, package="six"),
        "jobs/app.yml": JOB,
    }
    commit(small, "environments", files)
    planned = mlgit("plan", cwd=small).out
    assert "environment/apps: build with conda" in planned
    assert "environment/plain: build with venv" in planned
    applied = mlgit(*APPLY, cwd=small)
    assert (applied.code, applied.err) == (0, "")
    printed = mlgit("job", "logs", "jobs/app", cwd=small).out.splitlines()
    assert (printed[0], "/environments/conda/" in printed[1]) == ("1.0", True)
    shown = mlgit("show", "environment/apps", "--format", "json", cwd=small).out
    assert "tinylib" in shown
    assert conda_channel.as_posix() not in shown
    assert "No changes" in mlgit("plan", cwd=small).out
    edit(small, "environments/apps.yml", "tinyapp", "tinyapp=9")
    commit(small, "conflict")
    failed = mlgit(*APPLY, cwd=small)
    assert failed.code == 1
    assert "no channel has the package 'tinyapp 9.*' [package-not-found]" in " ".join((failed.out + failed.err).split())


def test_a_job_has_what_the_activation_of_its_environment_sets(small, mlgit, conda_channel):
    builders = {"venv": {"type": "venv"}, "conda": {"type": "conda", "mirrors": {"own": conda_channel.as_uri()}}}
    with (small / "mlgit.yml").open("a") as file:
        file.write(f"builders: {json.dumps(builders)}\n")
    environment = ENVIRONMENT.format(name="apps", python=PYTHON_VERSION, package="scripted")
    job = JOB.replace(JOB.partition("command: ")[2].partition("\n")[0], 'scripted && echo "$GREETING"')
    commit(small, "environments", {"environments/apps.yml": environment, "jobs/app.yml": job})
    applied = mlgit(*APPLY, cwd=small)
    assert applied.code == 0, applied.out + applied.err
    home, *greeting = mlgit("job", "logs", "jobs/app", cwd=small).out.splitlines()
    assert ("/environments/conda/" in home, greeting) == (True, ["good", "day"])
    shell = mlgit("env", "shell", "apps", "--", "scripted", cwd=small)
    assert (shell.code, shell.err) == (0, "")


def test_a_channel_of_the_machine_is_refused_at_its_line_of_the_conda_file(small, mlgit, conda_channel):
    with (small / "mlgit.yml").open("a") as file:
        file.write("builders: {conda: {type: conda}}\n")
    text = ENVIRONMENT.format(name="apps", python=PYTHON_VERSION, package="tinyapp")
    commit(small, "environment", {"environments/apps.yml": text.replace("own", conda_channel.as_uri())})
    validated = mlgit("validate", cwd=small).out
    assert "environments/apps.yml:4:14: error: environment/apps: the channel 'file:///" in validated
    assert "[channel-refused]" in validated


def test_without_the_extra_the_plan_says_the_line_that_installs_it(small, mlgit, monkeypatch):
    monkeypatch.setattr(_rattler, "find_spec", lambda _: None)
    with (small / "mlgit.yml").open("a") as file:
        file.write("builders: {conda: {type: conda}}\n")
    text = ENVIRONMENT.format(name="apps", python=PYTHON_VERSION, package="tinyapp")
    commit(small, "environment", {"environments/apps.yml": text})
    planned = mlgit("plan", cwd=small)
    assert "run `pip install 'mlgit[conda]'`" in planned.out + planned.err
    failed = mlgit(*APPLY, cwd=small)
    assert failed.code == 1
    assert "run `pip install 'mlgit[conda]'`" in failed.out + failed.err
