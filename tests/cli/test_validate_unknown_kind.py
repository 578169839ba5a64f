"""mlgit validate FILE of a file whose kind is not known: it is said and counted; only --strict makes it an error."""

from __future__ import annotations

import json

import pytest
from workspaces import commit

OTHER = "stages: {train: {cmd: python t.py}}\n"
DATA = """\
$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
name: a
type: uri_file
path: https://example.org/a.csv
"""

NO_SUPPORT = "Support not checked: there is no mlgit.yml."


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dvc.yaml").write_text(OTHER, "utf-8")
    (tmp_path / "data.yml").write_text(DATA, "utf-8")
    return tmp_path


def test_a_named_file_of_unknown_kind_is_noted_and_counted(folder, mlgit):
    ended = mlgit("validate", "dvc.yaml", cwd=folder)
    expected = (
        "dvc.yaml:1:1: note: the kind of this file is not known, so it is not checked [kind-unknown]\n"
        "  1 | stages: {train: {cmd: python t.py}}\n"
        "    | ^\n"
        "  help: add $schema: at its top if it is an asset\n"
        "No asset file found; 1 file of unknown kind not checked.\n"
    )
    assert (ended.code, ended.out) == (0, expected)


def test_it_is_counted_beside_files_that_are_checked(folder, mlgit):
    ended = mlgit("validate", "dvc.yaml", "data.yml", cwd=folder)
    assert f"\n1 file: fine; 1 file of unknown kind not checked. {NO_SUPPORT}\n" in ended.out
    document = json.loads(mlgit("validate", "dvc.yaml", "data.yml", "--format", "json", cwd=folder).out)
    assert (document["files"], document["unknown_files"]) == (1, 1)
    assert [diagnostic["severity"] for diagnostic in document["diagnostics"]] == ["note"]


@pytest.mark.parametrize(("paths", "code"), [(["dvc.yaml"], 1), (["data.yml"], 0), (["."], 0)])
def test_only_strict_makes_it_an_error_and_only_for_a_named_file(folder, mlgit, paths, code):
    assert mlgit("validate", *paths, cwd=folder).code == 0
    assert mlgit("validate", *paths, "--strict", cwd=folder).code == code


def test_the_kind_that_its_keys_resemble_is_a_hint(folder, mlgit):
    (folder / "job.yml").write_text("comand: x\nenvironment: e\nexperiment_name: y\nservices: {}\n", "utf-8")
    assert "its keys resemble those of a job" in mlgit("validate", "job.yml", cwd=folder).out


def test_in_a_folder_other_files_are_passed_over(folder, mlgit):
    assert mlgit("validate", ".", cwd=folder).out == f"1 file: fine. {NO_SUPPORT}\n"


def test_a_named_file_of_a_revision_is_noted_too(small, mlgit):
    commit(small, "other", {"dvc.yaml": OTHER})
    ended = mlgit("validate", "--ref", "HEAD", "dvc.yaml", "--strict", cwd=small)
    assert (ended.code, ended.out.splitlines()[-1]) == (1, "No asset file found; 1 file of unknown kind not checked.")


def test_mlgit_yml_itself_is_checked(small, mlgit):
    assert mlgit("validate", "mlgit.yml", "--strict", cwd=small).out == "1 file: fine.\n"
    text = (small / "mlgit.yml").read_text("utf-8")
    (small / "mlgit.yml").write_text(f"{text}retrys: 3\n", "utf-8")
    ended = mlgit("validate", "mlgit.yml", cwd=small)
    assert (ended.code, "did you mean retries?" in ended.out) == (1, True)
