"""Whatever JSON is in a pin, a download, a build or an experiment, no command takes it for a bug."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from state.json_nodes import VALUES, paths_of, replaced
from workspaces import APPLY, commit, git, put

from reconciler.state import paths

pytestmark = [pytest.mark.slow, pytest.mark.services]

REF = "refs/mlgit/small/default/live"
URL = "https://127.0.0.1:9/n.csv"  # where no server is
JOBS = {
    "jobs/curated.yml": """
        $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
        command: cat ${{inputs.numbers}}
        environment: azureml://registries/azureml/environments/Minimal/labels/latest
        inputs:
          numbers: {type: uri_file, path: "https://127.0.0.1:9/n.csv"}
        """,
    "data/remote.yml": """
        $schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
        name: remote
        type: uri_file
        path: https://127.0.0.1:9/n.csv
        """,
}
PIN = {
    "version": "0",
    "spec": {"image": "python", "conda_file": {"dependencies": ["python>=3.11"], "variables": {"GREETING": "pinned"}}},
}
COMMANDS = (
    ("plan",),
    ("apply", "--auto-approve", "--wait"),
    ("status",),
    ("list", "--all"),
    ("list", "environment", "--curated"),
    ("show", "data/remote"),
    ("show", "environment/azureml/Minimal"),
    ("show", "environment/plain"),
    ("get", "data/remote", "out", "--force"),
    ("get", "environment/azureml/Minimal", "out", "--force"),
    ("get", "environment/plain", "out", "--force"),
    ("job", "list"),
    ("job", "show", "jobs/curated"),
    ("job", "show", "try"),
    ("job", "logs", "try"),
    ("job", "metrics", "try"),
    ("job", "cancel", "try"),
    ("job", "wait", "try"),
    ("job", "download", "try", "out", "--force"),
    ("job", "download", "try", "--output-name", "total", "out", "--force"),
    ("run", "jobs/curated.yml"),
    ("run", "jobs/sum.yml", "--name", "try"),
    ("run", "jobs/sum.yml"),
    ("drift",),
    ("state", "repair"),
    ("state", "repair", "--auto-approve"),
)
SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def state_files(folder, prefix):
    return [name for name in git(folder, "ls-tree", "-r", "--name-only", REF).splitlines() if name.startswith(prefix)]


def state_file(folder, name):
    return json.loads(git(folder, "show", f"{REF}:{name}"))


@pytest.mark.parametrize("part", ["pins/", "downloads/", "builds/", "experiments/", "unfinished/"])
def test_no_command_takes_any_value_in_what_jobs_share_for_a_bug(applied, mlgit, part):
    (numbers,) = (name for name in state_files(applied, "current/") if name.endswith("data/numbers.json"))
    content = state_file(applied, numbers)["realised"]["contents"]["/path"]
    download = {**content, "url": URL, "etag": '"1"', "modified": "", "downloaded_at": "2026-11-29T12:00:00Z"}
    put(applied, paths.pin_path("azureml/Minimal"), PIN)
    put(applied, paths.download_path(URL), download)
    allowing = f"{(applied / 'mlgit.yml').read_text('utf-8')}\nlocal_hosts: [127.0.0.1]\n"
    commit(applied, "jobs", {**JOBS, "mlgit.yml": allowing})
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0, ended.err
    assert mlgit("run", "jobs/sum.yml", "--name", "try", "--set", "inputs.factor=3", "--detach", cwd=applied).code == 0
    head = git(applied, "rev-parse", REF)
    names = state_files(applied, part)
    files = {name: state_file(applied, name) for name in names}
    nodes = [(name, path) for name in names for path in paths_of(files[name])]

    @SETTINGS
    @given(
        st.sampled_from(nodes), st.sampled_from(VALUES), st.lists(st.sampled_from(COMMANDS), min_size=3, unique=True)
    )
    def check(node, value, commands):
        name, path = node
        put(applied, name, replaced(files[name], path, value))
        try:
            for command in commands[:4]:
                ended = mlgit(*command, cwd=applied)
                assert ended.code in {0, 1}, (name, path, value, command, ended.err)
                assert not re.search(r"(?m)^\s*::error::x", ended.out + ended.err)
        finally:
            git(applied, "update-ref", REF, head)

    check()
