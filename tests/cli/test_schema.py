"""mlgit schema: self-contained schemas, and editor settings that keep the existing values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from workspaces import SMALL, write

from reconciler.format.kinds import kinds
from reconciler.format.yaml import parse_yaml

pytestmark = pytest.mark.fast

TEMPLATE = Path(__file__).parent.parent.parent / "workspace-template"


def test_without_a_kind_the_kinds_are_listed(tmp_path, mlgit):
    names = [line.split()[0] for line in mlgit("schema", cwd=tmp_path).out.splitlines()]
    assert names[: len(kinds())] == list(kinds())
    assert {"mlgit", "diagnostics"} <= set(names)
    assert "values" not in names


def test_the_schema_of_a_kind_is_self_contained(tmp_path, mlgit):
    result = mlgit("schema", "job", cwd=tmp_path)
    job = parse_yaml("train.yml", (TEMPLATE / "jobs/train.yml").read_bytes())[0].data
    validator = Draft202012Validator(json.loads(result.out))
    assert validator.is_valid(job)
    assert not validator.is_valid({**job, "comand": "x"})


def test_a_mistyped_kind_is_answered_with_a_suggestion(tmp_path, mlgit):
    result = mlgit("schema", "jbo", cwd=tmp_path)
    assert result.code == 1
    assert "[schema-unknown]" in result.err
    assert "did you mean job?" in result.err


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("jobs", "Job"),
        ("Job", "Job"),
        ("command", "Command job"),
        ("commandJob", "Command job"),
        ("command-job", "Command job"),
        ("job/command", "Command job"),
        ("commandJob.schema.json", "Command job"),
        ("https://azuremlschemas.azureedge.net/latest/commandJob.schema.json", "Command job"),
        ("pipelineJob", "Pipeline job"),
        ("commandComponent", "Command component"),
        ("amlcompute", "Compute cluster"),
        ("AmlCompute", "Compute cluster"),
        ("azureBlob", "A container of Azure Blob Storage"),
        ("azure_blob", "A container of Azure Blob Storage"),
        ("managedOnlineDeployment", "Managed online deployment"),
        ("batchEndpoint", "Batch endpoint"),
        ("workspaceConnection", "Connection"),
        ("data_import", "Data import"),
        ("environments", "Environment"),
        ("conda", "Conda file"),
    ],
)
def test_a_form_of_a_kind_and_any_spelling_of_a_name_find_the_schema(tmp_path, mlgit, name, title):
    result = mlgit("schema", name, cwd=tmp_path)
    assert result.code == 0, result.err
    assert json.loads(result.out)["title"] == title


@pytest.mark.parametrize(("name", "closest"), [("comand", "command"), ("enviroment", "environment")])
def test_a_name_that_means_no_schema_is_answered_with_the_closest(tmp_path, mlgit, name, closest):
    assert f"did you mean {closest}?" in mlgit("schema", name, cwd=tmp_path).err


def test_schemas_of_parts_cannot_be_printed(tmp_path, mlgit):
    assert "[schema-unknown]" in mlgit("schema", "defs/values", cwd=tmp_path).err


def asset_schema(folder: Path) -> Draft202012Validator:
    """Return a validator for the written asset schema that resolves references relative to its file, as editors do."""
    schemas = folder / ".vscode/mlgit-schemas"
    documents = ((path.name, json.loads(path.read_text("utf-8"))) for path in schemas.iterdir())
    resources = ((f"file:///{name}", Resource.from_contents(document)) for name, document in documents)
    registry = Registry().with_resources(resources)
    return Draft202012Validator({"$ref": "file:///asset.schema.json"}, registry=registry)


@pytest.fixture
def workspace_with_settings(tmp_path: Path, mlgit) -> Path:
    write(tmp_path, SMALL)
    assert mlgit("schema", "--write-editor-settings", cwd=tmp_path).code == 0
    return tmp_path


def test_the_settings_associate_assets_with_their_schema(workspace_with_settings):
    settings = json.loads((workspace_with_settings / ".vscode/settings.json").read_text("utf-8"))
    globs = settings["yaml.schemas"]["./.vscode/mlgit-schemas/asset.schema.json"]
    assert {"workspace.yml", "data/**/*.yml", "jobs/**/*.yml"} <= set(globs)
    assert settings["yaml.schemas"]["./.vscode/mlgit-schemas/mlgit.schema.json"] == ["mlgit.yml"]


def test_conda_files_have_their_own_schema_and_not_that_of_assets(workspace_with_settings):
    schemas = json.loads((workspace_with_settings / ".vscode/settings.json").read_text("utf-8"))["yaml.schemas"]
    conda = schemas["./.vscode/mlgit-schemas/conda.schema.json"]
    assert "**/conda*.yml" in conda
    assert schemas["./.vscode/mlgit-schemas/asset.schema.json"][-2:] == [f"!{glob}" for glob in conda]


def test_only_the_given_folder_is_searched_for_assets(tmp_path, mlgit):
    write(tmp_path, {f"there/own/{name}": text for name, text in SMALL.items()})
    write(tmp_path, {"elsewhere/data.yml": SMALL["data/numbers.yml"]})
    assert mlgit("schema", "--write-editor-settings", "there", cwd=tmp_path).code == 0
    settings = (tmp_path / "there/.vscode/settings.json").read_text("utf-8")
    assert "own/**/*.yml" in settings
    assert "elsewhere" not in settings


def test_the_asset_schema_accepts_valid_assets_and_rejects_unknown_fields(workspace_with_settings):
    validator = asset_schema(workspace_with_settings)
    for path in sorted(workspace_with_settings.rglob("*.yml")):
        data = parse_yaml(path.name, path.read_bytes())[0].data
        assert validator.is_valid(data)
        if "azureml" in str(data.get("$schema")):
            assert not validator.is_valid({**data, "nmae": "x"})


def test_the_asset_schema_accepts_files_that_are_not_assets(workspace_with_settings):
    assert asset_schema(workspace_with_settings).is_valid({"dependencies": ["pip"], "name": "conda"})


def test_existing_settings_are_kept(tmp_path, mlgit):
    write(tmp_path, {".vscode/settings.json": '{"editor.tabSize": 2, "yaml.schemas": {"./own.json": "own.yml"}}'})
    mlgit("schema", "--write-editor-settings", cwd=tmp_path)
    written = (tmp_path / ".vscode/settings.json").read_text("utf-8")
    settings = json.loads(written)
    assert settings["editor.tabSize"] == 2
    assert settings["yaml.schemas"]["./own.json"] == "own.yml"
    assert len(settings["yaml.schemas"]) == 5
    mlgit("schema", "--write-editor-settings", ".", cwd=tmp_path)
    assert (tmp_path / ".vscode/settings.json").read_text("utf-8") == written


@pytest.mark.parametrize("text", ["{\n  // mine\n}\n", "[]", '{"yaml.schemas": []}', "{,}", ""])
def test_settings_that_cannot_be_merged_are_left_alone(tmp_path, mlgit, text):
    path = tmp_path / ".vscode/settings.json"
    path.parent.mkdir()
    path.write_text(text, "utf-8")
    result = mlgit("schema", "--write-editor-settings", cwd=tmp_path)
    assert result.code == 1
    assert "[settings-not-json]" in result.err
    assert '"./.vscode/mlgit-schemas/asset.schema.json"' in result.err
    assert path.read_text("utf-8") == text
    assert not (tmp_path / ".mlgit").exists()


def test_the_list_of_schemas_is_printed_as_json(tmp_path, mlgit):
    schemas = json.loads(mlgit("schema", "--format", "json", cwd=tmp_path).out)
    assert "job" in {schema["name"] for schema in schemas}
    assert all(schema["description"] for schema in schemas)
    output = json.loads(mlgit("schema", "--write-editor-settings", "--format", "json", cwd=tmp_path).out)
    assert ".vscode/settings.json" in output["wrote"]
