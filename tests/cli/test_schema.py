"""mlgit schema: schemas that work on their own, and settings that keep what an editor had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from workspaces import SMALL, write

from reconciler.format.kinds import kinds
from reconciler.format.yaml import parse_yaml

TEMPLATE = Path(__file__).parent.parent.parent / "workspace-template"


def test_without_a_kind_the_kinds_are_listed(tmp_path, mlgit):
    names = [line.split()[0] for line in mlgit("schema", cwd=tmp_path).out.splitlines()]
    assert names[: len(kinds())] == list(kinds())
    assert {"mlgit", "diagnostics"} <= set(names)
    assert "values" not in names


def test_the_schema_of_a_kind_works_on_its_own(tmp_path, mlgit):
    ended = mlgit("schema", "job", cwd=tmp_path)
    job = parse_yaml("train.yml", (TEMPLATE / "jobs/train.yml").read_bytes())[0].data
    validator = Draft202012Validator(json.loads(ended.out))
    assert validator.is_valid(job)
    assert not validator.is_valid({**job, "comand": "x"})


def test_a_kind_that_is_mistyped_is_recognised(tmp_path, mlgit):
    ended = mlgit("schema", "jobs", cwd=tmp_path)
    assert ended.code == 1
    assert "[schema-unknown]" in ended.err
    assert "did you mean job?" in ended.err


def test_parts_of_schemas_are_no_schemas(tmp_path, mlgit):
    assert "[schema-unknown]" in mlgit("schema", "defs/values", cwd=tmp_path).err


def asset_schema(folder: Path) -> Draft202012Validator:
    """Open what the settings name, as an editor does: references count from the file they stand in."""
    schemas = folder / ".mlgit/schemas"
    found = ((path.name, json.loads(path.read_text("utf-8"))) for path in schemas.iterdir())
    registry = Registry().with_resources((f"file:///{name}", Resource.from_contents(each)) for name, each in found)
    return Draft202012Validator({"$ref": "file:///asset.schema.json"}, registry=registry)


@pytest.fixture
def edited(tmp_path: Path, mlgit) -> Path:
    write(tmp_path, SMALL)
    assert mlgit("schema", "--write-editor-settings", cwd=tmp_path).code == 0
    return tmp_path


def test_an_editor_finds_the_schema_of_each_asset(edited):
    settings = json.loads((edited / ".vscode/settings.json").read_text("utf-8"))
    globs = settings["yaml.schemas"]["./.mlgit/schemas/asset.schema.json"]
    assert {"workspace.yml", "data/**/*.yml", "jobs/**/*.yml"} <= set(globs)
    assert settings["yaml.schemas"]["./.mlgit/schemas/mlgit.schema.json"] == ["mlgit.yml"]


def test_assets_are_looked_for_in_the_folder_that_is_named(tmp_path, mlgit):
    write(tmp_path, {f"there/own/{name}": text for name, text in SMALL.items()})
    write(tmp_path, {"elsewhere/data.yml": SMALL["data/numbers.yml"]})
    assert mlgit("schema", "--write-editor-settings", "there", cwd=tmp_path).code == 0
    settings = (tmp_path / "there/.vscode/settings.json").read_text("utf-8")
    assert "own/**/*.yml" in settings
    assert "elsewhere" not in settings


def test_the_editor_says_of_an_asset_what_validate_says(edited):
    validator = asset_schema(edited)
    for path in sorted(edited.rglob("*.yml")):
        data = parse_yaml(path.name, path.read_bytes())[0].data
        assert validator.is_valid(data)
        if "azureml" in str(data.get("$schema")):
            assert not validator.is_valid({**data, "nmae": "x"})


def test_the_editor_says_nothing_of_what_is_no_asset(edited):
    assert asset_schema(edited).is_valid({"dependencies": ["pip"], "name": "conda"})


def test_settings_that_are_there_stay(tmp_path, mlgit):
    write(tmp_path, {".vscode/settings.json": '{"editor.tabSize": 2, "yaml.schemas": {"./own.json": "own.yml"}}'})
    mlgit("schema", "--write-editor-settings", cwd=tmp_path)
    first = (tmp_path / ".vscode/settings.json").read_text("utf-8")
    settings = json.loads(first)
    assert settings["editor.tabSize"] == 2
    assert settings["yaml.schemas"]["./own.json"] == "own.yml"
    assert len(settings["yaml.schemas"]) == 3
    mlgit("schema", "--write-editor-settings", ".", cwd=tmp_path)
    assert (tmp_path / ".vscode/settings.json").read_text("utf-8") == first


@pytest.mark.parametrize("text", ["{\n  // mine\n}\n", "[]", '{"yaml.schemas": []}', "{,}", ""])
def test_settings_that_cannot_be_merged_are_left_alone(tmp_path, mlgit, text):
    path = tmp_path / ".vscode/settings.json"
    path.parent.mkdir()
    path.write_text(text, "utf-8")
    ended = mlgit("schema", "--write-editor-settings", cwd=tmp_path)
    assert ended.code == 1
    assert "[settings-not-json]" in ended.err
    assert '"./.mlgit/schemas/asset.schema.json"' in ended.err
    assert path.read_text("utf-8") == text
    assert not (tmp_path / ".mlgit").exists()


def test_programs_get_the_list_of_schemas_as_json(tmp_path, mlgit):
    listed = json.loads(mlgit("schema", "--format", "json", cwd=tmp_path).out)
    assert "job" in {each["name"] for each in listed}
    assert all(each["description"] for each in listed)
    wrote = json.loads(mlgit("schema", "--write-editor-settings", "--format", "json", cwd=tmp_path).out)
    assert ".vscode/settings.json" in wrote["wrote"]
