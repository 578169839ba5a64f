"""What `mlgit init` writes besides assets: a README with the name of the workspace, and editor settings for a clone."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath

import pytest
from workspaces import git

from reconciler.format.yaml import parse_yaml


@pytest.fixture
def clone(tmp_path, mlgit) -> Path:
    assert mlgit("init", "our-iris", cwd=tmp_path).code == 0
    git(tmp_path, "clone", "--quiet", "our-iris", "clone")
    return tmp_path / "clone"


def test_no_file_of_a_new_workspace_has_the_name_of_the_template(clone):
    assert (clone / "README.md").read_text("utf-8").startswith("# our-iris\n")
    texts = [path.read_text("utf-8") for path in clone.rglob("*") if path.is_file() and ".git" not in path.parts]
    assert not any("my-workspace" in text for text in texts)


def test_the_workflows_use_the_repository_and_commit_that_init_is_told(tmp_path, mlgit):
    actions = f"our-company/mlgit@{'a1' * 20}"
    assert mlgit("init", "our-iris", "--actions", actions, cwd=tmp_path).code == 0
    (tmp_path / "adopted").mkdir()
    git(tmp_path / "adopted", "init", "--quiet")
    assert mlgit("init", "--here", "--actions", actions, cwd=tmp_path / "adopted").code == 0
    for folder in ("our-iris", "adopted"):
        texts = [path.read_text("utf-8") for path in (tmp_path / folder / ".github/workflows").glob("*.yml")]
        uses = re.findall(r"uses: (\S+)/\.github/workflows/\S+@(\S+)", "".join(texts))
        assert set(uses) == {("our-company/mlgit", "a1" * 20)}
        assert "OWNER" not in "".join(texts)


def test_actions_at_a_branch_are_refused(tmp_path, mlgit):
    ended = mlgit("init", "our-iris", "--actions", "our-company/mlgit@main", cwd=tmp_path)
    assert ended.code == 1
    assert "our-company/mlgit@main is not OWNER/REPO@SHA with all 40 digits of a commit" in ended.err


def test_the_schemas_that_the_editor_settings_name_are_in_a_clone(clone):
    schemas = json.loads((clone / ".vscode/settings.json").read_text("utf-8"))["yaml.schemas"]
    assert len(schemas) == 4
    for path in schemas:
        assert path.startswith("./"), "relative to the folder that the editor opens"
        assert json.loads((clone / path).read_text("utf-8"))["$schema"].endswith("2020-12/schema")


def test_the_settings_map_every_asset_and_no_conda_file_to_the_schema_of_assets(clone):
    schemas = json.loads((clone / ".vscode/settings.json").read_text("utf-8"))["yaml.schemas"]
    globs = next(globs for path, globs in schemas.items() if path.endswith("/asset.schema.json"))
    for path in clone.rglob("*.yml"):
        relative = PurePosixPath(path.relative_to(clone).as_posix())
        is_asset = "azureml" in str(parse_yaml(path.name, path.read_bytes())[0].data.get("$schema"))
        assert is_mapped(relative, globs) == is_asset, relative


def is_mapped(path: PurePosixPath, globs: list[str]) -> bool:
    """Return True if globs match a path as editors match them: the last one that matches counts, ! excludes."""
    result = False
    for glob in globs:
        pattern = glob.removeprefix("!")
        head, _, tail = pattern.rpartition("**/")
        is_below = not head or path.is_relative_to(head)
        if path.match(tail) and (is_below if "**/" in pattern else str(path) == pattern):
            result = not glob.startswith("!")
    return result
