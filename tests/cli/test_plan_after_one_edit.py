"""After a single edit, plan lists exactly its consequences: each output is a golden file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from workspaces import commit, edit, write

Edit = Callable[[Path], None]


def replacing(name: str, old: str, new: str) -> Edit:
    return lambda folder: edit(folder, name, old, new)


def describing(name: str) -> Edit:
    return replacing(name, "name:", "description: what it is for\nname:")


def commenting(folder: Path) -> None:
    for path in folder.glob("*/*.yml"):
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("# a comment\n\n" + "\n\n".join(f"{line}   # why" for line in lines) + "\n", encoding="utf-8")


def reordering(folder: Path) -> None:
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


def removing(*names: str) -> Edit:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


def renaming(folder: Path) -> None:
    (folder / "models/total.yml").rename(folder / "models/sum-of-all.yml")


def moving_code(folder: Path) -> None:
    (folder / "src/sum.py").rename(folder / "src/main.py")
    edit(folder, "jobs/sum.yml", "python sum.py", "python main.py")


EDITS: Mapping[str, Edit] = {
    "nothing": lambda _: None,
    "code": replacing("src/sum.py", '"total"', '"sum"'),
    "code-file-renamed": moving_code,
    "data": replacing("data/numbers.csv", "3\n", "3\n4\n"),
    "environment": replacing("environments/plain.yml", "3.11", "3.10"),
    "parameter": replacing("jobs/sum.yml", "factor: 2", "factor: 3"),
    "parameter-added": replacing("jobs/sum.yml", "factor: 2", "factor: 2\n  shift: 1"),
    "parameter-removed": replacing("jobs/sum.yml", "  numbers: {type: uri_file, path: azureml:numbers@latest}\n", ""),
    "description-of-workspace": describing("workspace.yml"),
    "description-of-data": describing("data/numbers.yml"),
    "description-of-environment": describing("environments/plain.yml"),
    "description-of-job": describing("jobs/sum.yml"),
    "description-of-model": describing("models/total.yml"),
    "tags-of-model": replacing("models/total.yml", "name:", "tags: {stage: trial}\nname:"),
    "whitespace-and-comments": commenting,
    "keys-reordered": reordering,
    "compute-of-job": replacing("jobs/sum.yml", "compute: local", "compute: elsewhere"),
    "time-limit-of-job": replacing("jobs/sum.yml", "compute: local", "compute: local\nlimits: {timeout: 60}"),
    "file-renamed": renaming,
    "model-removed": removing("models/total.yml"),
    "job-and-model-removed": removing("models/total.yml", "jobs/sum.yml"),
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
