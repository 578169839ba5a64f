"""A file of a tree is parsed only if it, something that it depends on, or a setting in mlgit.yml has changed."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from workspaces import edit, git

from reconciler.package_files import installation_stamp
from reconciler.project.session import open_session
from reconciler.source import parse

pytestmark = pytest.mark.fast
CONDA = "environments/sklearn/conda.yml"


@pytest.fixture
def parsed(monkeypatch) -> list[str]:
    """Record the paths of the files that are parsed."""
    paths: list[str] = []
    original = parse.parse_file

    def parse_file(files, path, glob, rules):
        paths.append(path)
        return original(files, path, glob, rules)

    monkeypatch.setattr("reconciler.source.parse.parse_file", parse_file)
    return paths


@pytest.fixture
def template(tmp_path: Path, mlgit) -> Path:
    """Make a workspace from the template."""
    assert mlgit("init", "iris", cwd=tmp_path).code == 0
    return tmp_path / "iris"


def read(folder: Path):
    """Return the assets and diagnostics of the work tree of a folder."""
    with open_session(folder) as session:
        declared = session.read_assets()
        return declared.assets, declared.diagnostics


def test_unchanged_files_are_read_from_the_cache_as_they_were_parsed(template, parsed):
    first = read(template)
    assert len(parsed) >= len(first[0]) > 0
    parsed.clear()
    assert read(template) == first
    assert parsed == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("jobs/train.yml", ["jobs/train.yml"]),
        (CONDA, [CONDA, "environments/sklearn/environment.yml"]),
        ("README.md", []),
    ],
)
def test_what_depends_on_a_changed_file_is_parsed_and_nothing_else(path, expected, template, parsed):
    read(template)
    parsed.clear()
    with (template / path).open("a", encoding="utf-8") as file:
        file.write("# a comment\n")
    read(template)
    assert parsed == expected


def test_a_file_that_names_a_missing_path_is_parsed_again_once_it_exists(template, parsed):
    edit(template, "data/iris.yml", "iris.csv", "later.csv")
    _, diagnostics = read(template)
    assert diagnostics
    (template / "data/later.csv").write_text("a,b\n", encoding="utf-8")
    parsed.clear()
    assert read(template)[1] == ()
    assert parsed == ["data/iris.yml"]


def test_a_change_of_a_severity_in_mlgit_yml_parses_every_file_again(template, parsed):
    read(template)
    every_file = list(parsed)
    parsed.clear()
    with (template / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write("rules: {secret-literal: warning}\n")
    read(template)
    assert parsed == every_file


@pytest.mark.parametrize("value", ["{", "[]", '[{}, ["x"], null]', "[{}, [], []]"])
def test_an_entry_that_cannot_be_decoded_is_parsed_again(value, template, parsed):
    first = read(template)
    every_file = list(parsed)
    with closing(sqlite3.connect(template / ".git/mlgit/cache.sqlite")) as database, database:
        database.execute("UPDATE parsed_files SET value = ?", [value])
        database.execute("UPDATE entries SET value = ?", [value])
    parsed.clear()
    assert read(template) == first
    assert parsed == every_file


@pytest.fixture
def installed(monkeypatch):
    """Return a function that makes another installation of mlgit the current one."""

    def install(name: str) -> None:
        monkeypatch.setenv("MLGIT_INSTALLATION", name)
        installation_stamp.cache_clear()

    yield install
    installation_stamp.cache_clear()


def test_a_cache_restored_in_another_clone_counts_if_the_same_installation_wrote_it(
    template, tmp_path, parsed, installed
):
    installed("one")
    read(template)
    git(tmp_path, "clone", "--quiet", "iris", "clone")
    (tmp_path / "clone/.git/mlgit").mkdir()
    shutil.copy(template / ".git/mlgit/cache.sqlite", tmp_path / "clone/.git/mlgit")
    parsed.clear()
    read(tmp_path / "clone")
    assert parsed == []
    installed("another")
    read(tmp_path / "clone")
    assert parsed != []
