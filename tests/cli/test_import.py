"""mlgit import: write the files of live assets so that a plan finds no change."""

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
    """Delete every asset file and the files that they name, in a commit that is not applied."""
    git(applied, "rm", "-r", "--quiet", "data", "environments", "jobs", "models", "src", "workspace.yml")
    commit(applied)
    return applied


def check_out_contents(folder, files):
    """Run the commands that import prints to get the content from Git."""
    for file in files:
        for content in file["contents"]:
            subprocess.run(content["command"], shell=True, cwd=folder, check=True)  # noqa: S602 - as a user would


def import_assets(mlgit, folder, *arguments):
    result = mlgit("import", *arguments, "--format", "json", cwd=folder)
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_after_everything_is_imported_a_plan_finds_no_change(lost, mlgit):
    files = import_assets(mlgit, lost, "--all")
    assert {file["path"] for file in files} == {path for path in SMALL if path.endswith(".yml") and path != "mlgit.yml"}
    check_out_contents(lost, files)
    commit(lost)
    assert mlgit("plan", cwd=lost).out.startswith("No changes. ")
    assert mlgit("fmt", "--check", cwd=lost).code == 0
    assert mlgit("import", "--all", cwd=lost).out == "Nothing to import: whatever is live is declared.\n"


def test_additional_includes_of_a_component_are_listed_as_contents(applied, mlgit):
    code_fields = "code: ../src\nadditional_includes: [../lib, ../packed.zip]\n"
    head = (
        "$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json\nname: add\ntype: command\n"
    )
    text = f"{head}command: python sum.py\nenvironment: azureml:plain@latest\n{code_fields}"
    commit(applied, "add", {"components/add.yml": text, "lib/x.py": "1\n", "packed/y.py": "2\n"})
    assert mlgit(*APPLY, cwd=applied).code == 0
    git(applied, "rm", "-r", "--quiet", "components", "lib", "packed")
    commit(applied)
    (file,) = import_assets(mlgit, applied, "component/add")
    assert [content["path"] for content in file["contents"]] == ["lib", "packed"]
    check_out_contents(applied, [file])
    commit(applied)
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_the_written_files_and_the_remaining_steps_are_printed(lost, mlgit, golden):
    golden("cli/history/import-dry-run.txt", mlgit("import", "--all", "--dry-run", cwd=lost).out)
    assert not (lost / "jobs").exists()
    golden("cli/history/import.txt", mlgit("import", "job/sum", "data/numbers", cwd=lost).out)
    golden("cli/history/import-job.yml", (lost / "jobs" / "sum.yml").read_text())


def test_the_command_that_gets_contents_works_in_the_current_folder(lost, mlgit):
    folder = lost / "notes"
    folder.mkdir()
    check_out_contents(folder, import_assets(mlgit, folder, "data/numbers"))
    assert (lost / "data" / "numbers.csv").read_text() == SMALL["data/numbers.csv"]


def test_no_file_is_overwritten(lost, mlgit):
    write(lost, {"models/total.yml": "mine\n"})
    refused = mlgit("import", "model/total", "workspace/small", cwd=lost)
    assert (refused.code, "models/total.yml exists already" in refused.err) == (1, True)
    assert (lost / "models" / "total.yml").read_text() == "mine\n"
    assert (lost / "workspace.yml").exists()


@pytest.fixture
def deep(applied, mlgit):
    """Apply a data asset from a nested folder, and replace its file."""
    commit(applied, "deep", {"a/b/deep.yml": SMALL["data/numbers.yml"].replace("numbers", "deep"), "a/b/deep.csv": "1"})
    assert mlgit(*APPLY, cwd=applied).code == 0
    git(applied, "rm", "--quiet", "a/b/deep.yml")
    commit(applied, "mine", {"a/b/deep.yml": "mine: true\n"})
    return applied


def test_if_its_path_is_taken_a_file_is_written_elsewhere_with_the_same_content(deep, mlgit):
    (file,) = import_assets(mlgit, deep, "data/deep")
    assert file["path"] == "data/deep.yml"
    assert "path: ../a/b/deep.csv" in file["text"]
    commit(deep)
    assert mlgit("plan", cwd=deep).out.startswith("No changes. ")


UNSAFE_PATHS = (
    ".git/hooks/post-commit",
    ".github/workflows/evil.yml",
    "a/../../x.yml",
    "/var/x.yml",
    "a.sh",
    "a/mlgit.yml",
)


@pytest.mark.parametrize("source", UNSAFE_PATHS)
def test_a_recorded_path_that_no_asset_can_have_is_not_written(source, lost, mlgit):
    git(lost, "clean", "-fdq")
    ref = "refs/mlgit/small/default/live"
    path = paths.current_record_path(Address("data", "numbers"))
    record = json.loads(git(lost, "show", f"{ref}:{path}"))
    put(lost, path, record | {"source": source})
    (file,) = import_assets(mlgit, lost, "data/numbers", "--dry-run")
    assert file["path"] == "data/numbers.yml"


def test_a_secret_is_left_out_with_a_note(small, mlgit, golden):
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
def test_an_asset_that_cannot_be_imported_is_refused(name, applied, mlgit):
    refused = mlgit("import", *REFUSED[name], cwd=applied)
    assert (refused.code, refused.out) == (1, "")
    assert "help: " in refused.err


@pytest.mark.parametrize("arguments", [(), ("data/numbers", "--all")])
def test_either_addresses_or_all_is_required(arguments, applied, mlgit):
    result = mlgit("import", *arguments, cwd=applied)
    assert (result.code, result.err.count("error: ")) == (1, 1)


def test_an_archived_asset_must_be_restored_before_import(applied, mlgit):
    git(applied, "rm", "--quiet", "models/total.yml")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert "mlgit restore model/total" in mlgit("import", "model/total", cwd=applied).err
    assert mlgit("restore", "model/total", "--auto-approve", cwd=applied).code == 0
    check_out_contents(applied, import_assets(mlgit, applied, "model/total"))
    commit(applied)
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_import_and_restore_note_the_archived_assets_that_are_needed(applied, mlgit):
    git(applied, "rm", "--quiet", "models/total.yml", "jobs/sum.yml")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    note = "it needs job/sum, which is archived: run `mlgit restore job/sum` and `mlgit import job/sum`"
    assert note in mlgit("restore", "model/total", "--auto-approve", cwd=applied).out
    (file,) = import_assets(mlgit, applied, "model/total")
    assert file["notes"] == [note]
    assert "[reference-dangling]" in mlgit("plan", cwd=applied).err
    assert mlgit("restore", "job/sum", "--auto-approve", cwd=applied).code == 0
    check_out_contents(applied, import_assets(mlgit, applied, "job/sum"))
    commit(applied)
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_a_file_that_a_plan_ignores_has_a_note(lost, mlgit):
    text = (lost / "mlgit.yml").read_text()
    (lost / "mlgit.yml").write_text(f'{text}assets: {{include: [{{glob: "jobs/**"}}]}}\n')
    (file,) = import_assets(mlgit, lost, "model/total", "--dry-run")
    assert file["notes"] == ["assets: in mlgit.yml does not include models/total.yml, so a plan ignores it"]
