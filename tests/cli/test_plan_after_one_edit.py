"""After each single edit, a plan lists its consequences and nothing else; every output is a golden file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from workspaces import commit, edit, write

Edit = Callable[[Path], None]


def replace_text(name: str, old: str, new: str) -> Edit:
    return lambda folder: edit(folder, name, old, new)


def add_description(name: str) -> Edit:
    return replace_text(name, "name:", "description: what it is for\nname:")


def add_comments(folder: Path) -> None:
    for path in folder.glob("*/*.yml"):
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("# a comment\n\n" + "\n\n".join(f"{line}   # why" for line in lines) + "\n", encoding="utf-8")


def reorder_keys(folder: Path) -> None:
    write(
        folder,
        {
            "jobs/sum.yml": """
                outputs:
                  total: {type: uri_folder}
                inputs:
                  factor: 2
                  numbers: {path: azureml:numbers@latest, type: uri_file}
                compute: local
                environment: azureml:plain@latest
                code: ../src
                command: python sum.py ${{inputs.numbers}} ${{inputs.factor}} ${{outputs.total}}
                name: sum
                $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
                """
        },
    )


def remove_files(*names: str) -> Edit:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


def rename_file(folder: Path) -> None:
    (folder / "models/total.yml").rename(folder / "models/sum-of-all.yml")


def rename_code_file(folder: Path) -> None:
    (folder / "src/sum.py").rename(folder / "src/main.py")
    edit(folder, "jobs/sum.yml", "python sum.py", "python main.py")


EDITS: Mapping[str, Edit] = {
    "nothing": lambda _: None,
    "code": replace_text("src/sum.py", '"total"', '"sum"'),
    "code-file-renamed": rename_code_file,
    "data": replace_text("data/numbers.csv", "3\n", "3\n4\n"),
    "environment": replace_text("environments/plain.yml", "3.11", "3.10"),
    "parameter": replace_text("jobs/sum.yml", "factor: 2", "factor: 3"),
    "parameter-added": replace_text("jobs/sum.yml", "factor: 2", "factor: 2\n  shift: 1"),
    "parameter-removed": replace_text(
        "jobs/sum.yml", "  numbers: {type: uri_file, path: azureml:numbers@latest}\n", ""
    ),
    "description-of-workspace": add_description("workspace.yml"),
    "description-of-data": add_description("data/numbers.yml"),
    "description-of-environment": add_description("environments/plain.yml"),
    "description-of-job": add_description("jobs/sum.yml"),
    "description-of-model": add_description("models/total.yml"),
    "tags-of-model": replace_text("models/total.yml", "name:", "tags: {stage: trial}\nname:"),
    "whitespace-and-comments": add_comments,
    "keys-reordered": reorder_keys,
    "compute-of-job": replace_text("jobs/sum.yml", "compute: local", "compute: serverless"),
    "time-limit-of-job": replace_text("jobs/sum.yml", "compute: local", "compute: local\nlimits: {timeout: 60}"),
    "file-renamed": rename_file,
    "model-removed": remove_files("models/total.yml"),
    "job-and-model-removed": remove_files("models/total.yml", "jobs/sum.yml"),
    "asset-added": lambda folder: write(
        folder,
        {
            "data/more.yml": """
                $schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
                name: more
                type: uri_file
                path: numbers.csv
                """
        },
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_plan_lists_the_consequences_of_one_edit(name, applied, mlgit, golden):
    if name == "parameter-removed":
        edit(applied, "jobs/sum.yml", "${{inputs.numbers}} ", "")
    EDITS[name](applied)
    planned = mlgit("plan", cwd=applied)
    assert planned.err == ""
    assert planned.code == 0
    golden(f"cli/plans/{name}.txt", planned.out)


@pytest.mark.slow
def test_setting_a_parameter_back_adopts_the_first_run_and_submits_nothing(applied, mlgit, golden):
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied)
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    edit(applied, "jobs/sum.yml", "factor: 3", "factor: 2")
    commit(applied)
    golden("cli/plans/parameter-set-back.txt", mlgit("plan", cwd=applied).out)
    golden("cli/plans/parameter-set-back-apply.txt", mlgit("apply", "--auto-approve", "--wait", cwd=applied).out)
    assert mlgit("job", "list", cwd=applied).out.count("completed") == 2
    golden("cli/plans/nothing.txt", mlgit("plan", cwd=applied).out)
