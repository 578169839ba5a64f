"""Values in a job file or an option that nothing could carry out are named at their place, before anything runs."""

from __future__ import annotations

import pytest
from workspaces import APPLY, SMALL, commit, edit, git, write

pytestmark = pytest.mark.slow

OUTSIDE = ["/etc/passwd", "/dev/zero", "../../outside.csv", "../../../../etc/passwd", "/", "../.."]


def refused(ended, code):
    return ended.code == 1 and f"[{code}]" in ended.err and "internal-error" not in ended.err


@pytest.mark.parametrize("path", OUTSIDE)
def test_an_input_outside_of_the_repository_is_an_error_of_the_plan_and_of_a_run(small, mlgit, path):
    edit(small, "jobs/sum.yml", "path: azureml:numbers@latest", f"path: {path}")
    commit(small, "outside")
    refs = git(small, "for-each-ref")
    for command in (("plan",), APPLY, ("run", "jobs/sum.yml")):
        ended = mlgit(*command, cwd=small)
        assert refused(ended, "path-outside"), (command, ended)
        assert "jobs/sum.yml:" in ended.err
    assert git(small, "for-each-ref") == refs


@pytest.mark.parametrize("path", OUTSIDE)
def test_an_option_that_sets_an_input_outside_of_the_repository_is_an_error(small, mlgit, path):
    for command in (("run", "jobs/sum.yml"), ("plan", "--select", "job/sum")):
        ended = mlgit(*command, "--set", f"inputs.numbers.path={path}", cwd=small)
        assert refused(ended, "path-outside"), (command, ended)
        assert ended.err.startswith("--set inputs.numbers.path=")


@pytest.mark.parametrize("asset", ["data", "models"])
def test_the_path_of_an_asset_outside_of_the_repository_is_an_error_of_the_plan(small, mlgit, asset):
    kind = {"data": "data", "models": "model"}[asset]
    schema = f"https://azuremlschemas.azureedge.net/latest/{kind}.schema.json"
    type_ = {"data": "uri_file", "model": "custom_model"}[kind]
    commit(
        small, "outside", {f"{asset}/other.yml": f"$schema: {schema}\nname: other\ntype: {type_}\npath: /etc/passwd\n"}
    )
    assert refused(mlgit("plan", cwd=small), "path-outside")
    assert refused(mlgit(*APPLY, cwd=small), "path-outside")


@pytest.mark.parametrize("name", ["n" * 201, "n" * 5000, "é" * 101, "a/" + "n" * 300])
def test_a_name_of_a_job_that_no_folder_of_a_run_could_have_is_an_error_and_leaves_the_state_as_it_is(
    small, mlgit, name
):
    write(small, {"jobs/long.yml": SMALL["jobs/sum.yml"]})
    edit(small, "jobs/long.yml", "name: sum", f"name: {name}")
    for command in (("run", "jobs/long.yml"), ("run", "jobs/sum.yml", "--name", name)):
        assert refused(mlgit(*command, cwd=small), "name-illegal"), command
    commit(small, "long")
    for command in (("plan",), APPLY):
        assert refused(mlgit(*command, cwd=small), "name-illegal"), command
    assert mlgit("job", "list", cwd=small).code == 0


@pytest.mark.parametrize("name", ["n" * 200, "é" * 100, "a/" + "n" * 200])
def test_the_longest_name_of_a_job_is_run_and_listed(small, mlgit, name):
    ended = mlgit("run", "jobs/sum.yml", "--name", name, cwd=small)
    assert ended.code == 0, ended.err
    assert mlgit("job", "list", cwd=small).code == 0
    assert mlgit("plan", cwd=small).code == 0


@pytest.mark.parametrize("steps", [51, 3000, 20_000])
def test_a_path_of_an_option_that_no_file_is_nested_as_deep_as_is_malformed(small, mlgit, steps):
    for command in (("run", "jobs/sum.yml"), ("plan", "--select", "job/sum")):
        ended = mlgit(*command, "--set", f"inputs{'.a' * steps}=1", cwd=small)
        assert refused(ended, "set-malformed"), ended.err[-500:]
        ended = mlgit(*command, "--set", f"tags.x{'[0]' * steps}=1", cwd=small)
        assert refused(ended, "set-malformed"), ended.err[-500:]


@pytest.mark.parametrize(
    "distribution",
    [
        *({"type": "pytorch", "process_count_per_instance": count} for count in (0, -1, 1025, 10**6, 10**30)),
        *({"type": "tensorflow", "worker_count": count} for count in (0, 10**6)),
        {"type": "tensorflow", "parameter_server_count": 10**6},
    ],
    ids=str,
)
def test_a_number_of_processes_that_no_machine_starts_is_an_error(small, mlgit, distribution):
    fields = ", ".join(f"{name}: {value}" for name, value in distribution.items())
    edit(small, "jobs/sum.yml", "compute: local", f"compute: local\ndistribution: {{{fields}}}")
    commit(small, "many")
    for command in (("validate",), ("plan",), ("run", "jobs/sum.yml")):
        ended = mlgit(*command, cwd=small)
        assert ended.code == 1, ended
        assert "[distribution-range]" in ended.out + ended.err, ended
