"""mlgit validate reports everything that is wrong in the files, offline."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from workspaces import commit, edit, git, write


def test_files_without_errors_are_counted(small, mlgit):
    ended = mlgit("validate", cwd=small)
    assert (ended.code, ended.out, ended.err) == (0, "5 files: fine.\n", "")


def test_an_error_is_printed_with_its_line_and_a_hint(small, mlgit, golden):
    edit(small, "jobs/sum.yml", "environment:", "enviroment:")
    edit(small, "data/numbers.yml", "uri_file", "uri_fil")
    ended = mlgit("validate", cwd=small)
    assert ended.code == 1
    golden("cli/validate.txt", ended.out)


def test_json_is_one_document_with_or_without_errors(small, mlgit):
    fine = mlgit("validate", "--format", "json", cwd=small)
    assert (fine.code, json.loads(fine.out)) == (
        0,
        {"files": 5, "diagnostics": [], "unknown_files": 0, "support_checked": True},
    )
    edit(small, "data/numbers.yml", "path:", "paht:")
    wrong = mlgit("validate", "--format", "json", cwd=small)
    assert (wrong.code, wrong.err) == (1, "")
    first = json.loads(wrong.out)["diagnostics"][0]
    assert (first["path"], first["line"], first["column"]) == ("data/numbers.yml", 4, 1)
    assert (first["severity"], first["code"]) == ("error", "unknown-field")
    assert first["message"]
    assert first["hint"]


def test_a_reference_that_is_not_declared_is_a_warning_because_it_may_be_live(small, mlgit):
    (small / "data/numbers.yml").unlink()
    ended = mlgit("validate", cwd=small)
    assert ended.code == 0
    assert "warning: azureml:numbers@latest refers to data/numbers, which is not declared" in ended.out
    assert ended.out.endswith("4 files: 0 errors, 1 warning.\n")


def test_a_revision_is_checked_instead_of_the_work_tree(small, mlgit):
    first = git(small, "rev-parse", "HEAD")
    edit(small, "jobs/sum.yml", "environment:", "enviroment:")
    commit(small)
    assert mlgit("validate", cwd=small).code == 1
    assert mlgit("validate", "--ref", first, cwd=small).code == 0
    unknown = mlgit("validate", "--ref", "no-such-branch", cwd=small)
    assert unknown.code == 1
    assert "Git knows no revision no-such-branch" in unknown.err


def test_paths_are_checked_at_a_revision_too(small, mlgit):
    edit(small, "jobs/sum.yml", "environment:", "enviroment:")
    edit(small, "data/numbers.yml", "uri_file", "uri_fil")
    commit(small)
    data = mlgit("validate", "--ref", "HEAD", "--format", "json", "data", cwd=small)
    assert {diagnostic["path"] for diagnostic in json.loads(data.out)["diagnostics"]} == {"data/numbers.yml"}
    assert json.loads(data.out)["files"] == 1
    job = mlgit("validate", "--ref", "HEAD", "sum.yml", cwd=small / "jobs")
    assert "jobs/sum.yml" in job.out
    assert "data/numbers.yml" not in job.out
    assert mlgit("validate", "--ref", "HEAD", "environments", cwd=small).code == 0
    unknown = mlgit("validate", "--ref", "HEAD", "nowhere.yml", cwd=small)
    assert "there is no file or folder nowhere.yml" in unknown.err


@pytest.mark.parametrize("form", ["json", "sarif", "github", "text"])
def test_errors_in_mlgit_yml_are_reported_with_all_others(form, small, mlgit):
    config = small / "mlgit.yml"
    config.write_text(f"{config.read_text('utf-8')}retires: 3\n", "utf-8")
    ended = mlgit("validate", "--format", form, cwd=small)
    assert (ended.code, ended.err) == (1, "")
    assert "unknown field retires" in ended.out
    assert "mlgit.yml" in ended.out


def test_validate_works_in_a_subfolder_and_changes_nothing(small, mlgit):
    before = git(small, "status", "--porcelain")
    assert mlgit("validate", cwd=small / "jobs").out == "5 files: fine.\n"
    assert git(small, "status", "--porcelain") == before
    assert git(small, "for-each-ref", "refs/mlgit") == ""


def test_a_cycle_of_references_is_reported_with_its_path(small, mlgit):
    job = (small / "jobs/sum.yml").read_text().replace("name: sum", "name: {}").replace("azureml:numbers@latest", "{}")
    for name, other in (("ping", "pong"), ("pong", "ping")):
        text = job.replace("name: {}", f"name: {name}").replace(
            "path: {}", f"path: azureml://jobs/{other}/outputs/total"
        )
        write(small, {f"jobs/{name}.yml": text})
    ended = mlgit("validate", cwd=small)
    assert ended.code == 1
    assert "circular dependency: job/" in ended.out


def test_a_file_without_a_schema_has_the_kind_that_mlgit_yml_gives_it(small, mlgit):
    (small / "data/plain.yml").write_text("name: plain\npath: numbers.csv\nowner: me\n", "utf-8")
    assert mlgit("validate", cwd=small).out == "5 files: fine.\n", "no glob gives it a kind"
    config = small / "mlgit.yml"
    glob = 'assets: {include: [{glob: "*.yml"}, {glob: data/, kind: data}]}\n'
    config.write_text(config.read_text("utf-8") + glob, "utf-8")
    ended = mlgit("validate", cwd=small)
    assert ended.code == 1
    assert "data/plain.yml:3:1: error: unknown field owner" in ended.out


FILES = {
    "a misspelt field of a job without a schema": (
        "name: j\ncommand: echo\nenvironment: azureml:e:1\ncompute: azureml:c\ntagz: {}\n",
        "tagz",
    ),
    "a YAML syntax error": ('command: "echo\nenvironment: azureml:e:1\n', "yaml-syntax"),
    "an error of a rule beside one of the schema": (
        "command: echo\nenvironment: azureml:e:1\ncompute: azureml:c\nlimits: {timeout: abc}\ncode: ./nosrc\n",
        "path-missing",
    ),
    "the position of a name that is not allowed": (
        (
            "$schema: azureml/pipelineJob.schema.json\ntype: pipeline\ncompute: azureml:c\njobs:\n"
            "  a: {type: command, command: x, environment: azureml:e:1}\n"
            "  B-1: {type: command, command: x, environment: azureml:e:1}\n"
        ),
        "f.yml:6:3: error",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_named_file_is_checked_without_a_workspace(name, tmp_path, mlgit):
    text, expected = FILES[name]
    (tmp_path / "f.yml").write_text(text, "utf-8")
    ended = mlgit("validate", "f.yml", cwd=tmp_path)
    assert ended.code == 1
    assert expected in ended.out


OTHER_FILES = {
    "values.yaml": "name: a\nimage: {repository: a, tag: b}\nreplicaCount: 1\n",
    "service.yml": "name: a\nimage: b\ncommand: c\nports: [80]\n",
    "versions.yml": "name: a\nversion: 1.0\n",
    "flow.dag.yaml": "$schema: https://azuremlschemas.azureedge.net/promptflow/latest/Flow.schema.json\ninputs: {}\n",
    "conda.yml": "name: a\nchannels: [b]\ndependencies: [python]\n",
    "workflow.yml": "name: ci\non: push\njobs: {a: {runs-on: b}}\n",
}


def test_files_that_are_not_assets_are_skipped_without_a_message(tmp_path, mlgit):
    for name, text in OTHER_FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    assert mlgit("validate", ".", cwd=tmp_path).out == "No asset file found.\n"


@pytest.mark.parametrize(
    "reference", ["environment: azureml:AzureML-sklearn-1.5@latest", "compute: azureml:serverless"]
)
def test_assets_that_azure_ml_provides_need_not_be_declared(reference, tmp_path, mlgit):
    text = "$schema: azureml/commandJob.schema.json\ncommand: x\nenvironment: azureml:AzureML-a@latest\n"
    line = "" if reference.startswith("environment") else f"{reference}\n"
    (tmp_path / "f.yml").write_text(text + line, "utf-8")
    printed = mlgit("validate", "f.yml", cwd=tmp_path).out
    assert printed == "1 file: fine. Support not checked: there is no mlgit.yml.\n"


def test_a_path_may_be_absolute(small, tmp_path, mlgit):
    ended = mlgit("validate", str(small / "jobs/sum.yml"), cwd=tmp_path)
    assert (ended.code, "path-missing" in ended.out) == (0, False)


def test_named_files_are_checked_without_loading_gitpython(small):
    command = (
        "import sys, reconciler.cli.validate; print('git' in sys.modules, 'reconciler.planning.graph' in sys.modules)"
    )
    completed = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert completed.stdout == "False False\n"
