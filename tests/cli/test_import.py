"""import: the files of what is live, written so that a plan finds nothing to change."""

from __future__ import annotations

import json
import subprocess

import pytest
from workspaces import APPLY, SMALL, commit, git, put, write

from reconciler.model import Address
from reconciler.state import paths

CONNECTION = {
    "connections/hub.yml": """
        $schema: https://azuremlschemas.azureedge.net/latest/connection.schema.json
        name: hub
        type: container_registry
        target: https://registry.example.org
        credentials: {type: username_password, username: ada, password: hunter2hunter2}
        """
}


@pytest.fixture
def lost(applied):
    """Lose every asset file of the workspace and what they name, in a commit that is not applied."""
    git(applied, "rm", "-r", "--quiet", "data", "environments", "jobs", "models", "src", "workspace.yml")
    commit(applied)
    return applied


def fetched(folder, found):
    """Do what import said to do."""
    for each in found:
        for content in each["contents"]:
            subprocess.run(content["command"], shell=True, cwd=folder, check=True)  # noqa: S602 - as a user would


def imported(mlgit, folder, *arguments):
    ended = mlgit("import", *arguments, "--format", "json", cwd=folder)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_after_everything_is_imported_a_plan_finds_no_change(lost, mlgit):
    found = imported(mlgit, lost, "--all")
    assert {each["path"] for each in found} == {each for each in SMALL if each.endswith(".yml") and each != "mlgit.yml"}
    fetched(lost, found)
    commit(lost)
    assert mlgit("plan", cwd=lost).out.startswith("No changes. ")
    assert mlgit("fmt", "--check", cwd=lost).code == 0
    assert mlgit("import", "--all", cwd=lost).out == "Nothing to import: whatever is live is declared.\n"


def test_what_stands_beside_the_code_of_a_component_is_asked_for_too(applied, mlgit):
    beside = "code: ../src\nadditional_includes: [../lib, ../packed.zip]\n"
    head = (
        "$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json\nname: add\ntype: command\n"
    )
    text = f"{head}command: python sum.py\nenvironment: azureml:plain@latest\n{beside}"
    commit(applied, "add", {"components/add.yml": text, "lib/x.py": "1\n", "packed/y.py": "2\n"})
    assert mlgit(*APPLY, cwd=applied).code == 0
    git(applied, "rm", "-r", "--quiet", "components", "lib", "packed")
    commit(applied)
    (found,) = imported(mlgit, applied, "component/add")
    assert [each["path"] for each in found["contents"]] == ["lib", "packed"]
    fetched(applied, [found])
    commit(applied)
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_what_is_written_and_what_is_left_to_do_is_told(lost, mlgit, golden):
    golden("cli/history/import-dry-run.txt", mlgit("import", "--all", "--dry-run", cwd=lost).out)
    assert not (lost / "jobs").exists()
    golden("cli/history/import.txt", mlgit("import", "job/sum", "data/numbers", cwd=lost).out)
    golden("cli/history/import-job.yml", (lost / "jobs" / "sum.yml").read_text())


def test_the_command_that_gets_contents_is_right_in_the_folder_where_it_is_said(lost, mlgit):
    inside = lost / "notes"
    inside.mkdir()
    fetched(inside, imported(mlgit, inside, "data/numbers"))
    assert (lost / "data" / "numbers.csv").read_text() == SMALL["data/numbers.csv"]


def test_no_file_is_overwritten(lost, mlgit):
    write(lost, {"models/total.yml": "mine\n"})
    refused = mlgit("import", "model/total", "workspace/small", cwd=lost)
    assert (refused.code, "models/total.yml exists already" in refused.err) == (1, True)
    assert (lost / "models" / "total.yml").read_text() == "mine\n"
    assert (lost / "workspace.yml").exists()


@pytest.fixture
def deep(applied, mlgit):
    """Apply a data asset whose file lies deep, and lose that file."""
    commit(applied, "deep", {"a/b/deep.yml": SMALL["data/numbers.yml"].replace("numbers", "deep"), "a/b/deep.csv": "1"})
    assert mlgit(*APPLY, cwd=applied).code == 0
    git(applied, "rm", "--quiet", "a/b/deep.yml")
    commit(applied, "mine", {"a/b/deep.yml": "mine: true\n"})
    return applied


def test_where_its_place_is_taken_a_file_goes_elsewhere_and_names_the_same(deep, mlgit):
    (only,) = imported(mlgit, deep, "data/deep")
    assert only["path"] == "data/deep.yml"
    assert "path: ../a/b/deep.csv" in only["text"]
    commit(deep)
    assert mlgit("plan", cwd=deep).out.startswith("No changes. ")


PLACES = (".git/hooks/post-commit", ".github/workflows/evil.yml", "a/../../x.yml", "/var/x.yml", "a.sh", "a/mlgit.yml")


@pytest.mark.parametrize("place", PLACES)
def test_a_record_does_not_say_where_files_go_that_no_asset_could_have(place, lost, mlgit):
    git(lost, "clean", "-fdq")
    ref = "refs/mlgit/small/default/live"
    path = paths.current_record_path(Address("data", "numbers"))
    record = json.loads(git(lost, "show", f"{ref}:{path}"))
    put(lost, path, record | {"source": place})
    (only,) = imported(mlgit, lost, "data/numbers", "--dry-run")
    assert only["path"] == "data/numbers.yml"


def test_a_secret_is_left_out_and_that_is_said(small, mlgit, golden):
    commit(small, "connect", CONNECTION)
    assert mlgit(*APPLY, cwd=small).code == 0
    git(small, "rm", "--quiet", "connections/hub.yml")
    commit(small)
    golden("cli/history/import-secret.txt", mlgit("import", "connection/hub", cwd=small).out)
    written = (small / "connections" / "hub.yml").read_text()
    assert "hunter2" not in written
    golden("cli/history/import-secret.yml", written)


REFUSED = {"declared": ("data/numbers",), "version": ("data/numbers@1",), "unknown": ("data/numbrs",)}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_imported_is_refused(name, applied, mlgit):
    refused = mlgit("import", *REFUSED[name], cwd=applied)
    assert (refused.code, refused.out) == (1, "")
    assert "help: " in refused.err


@pytest.mark.parametrize("arguments", [(), ("data/numbers", "--all")])
def test_it_has_to_be_said_what_to_import(arguments, applied, mlgit):
    ended = mlgit("import", *arguments, cwd=applied)
    assert (ended.code, ended.err.count("error: ")) == (1, 1)


def test_what_is_archived_is_restored_first(applied, mlgit):
    git(applied, "rm", "--quiet", "models/total.yml")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert "mlgit restore model/total" in mlgit("import", "model/total", cwd=applied).err
    assert mlgit("restore", "model/total", "--auto-approve", cwd=applied).code == 0
    fetched(applied, imported(mlgit, applied, "model/total"))
    commit(applied)
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_what_is_imported_or_restored_says_what_it_needs_that_is_archived_too(applied, mlgit):
    git(applied, "rm", "--quiet", "models/total.yml", "jobs/sum.yml")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    said = "it needs job/sum, which is archived: run `mlgit restore job/sum` and `mlgit import job/sum`"
    assert said in mlgit("restore", "model/total", "--auto-approve", cwd=applied).out
    (only,) = imported(mlgit, applied, "model/total")
    assert only["notes"] == [said]
    assert "[reference-dangling]" in mlgit("plan", cwd=applied).err
    assert mlgit("restore", "job/sum", "--auto-approve", cwd=applied).code == 0
    fetched(applied, imported(mlgit, applied, "job/sum"))
    commit(applied)
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_a_file_that_no_plan_would_see_is_named(lost, mlgit):
    text = (lost / "mlgit.yml").read_text()
    (lost / "mlgit.yml").write_text(f'{text}assets: {{include: [{{glob: "jobs/**"}}]}}\n')
    (only,) = imported(mlgit, lost, "model/total", "--dry-run")
    assert only["notes"] == ["assets: in mlgit.yml does not include models/total.yml, so a plan ignores it"]
