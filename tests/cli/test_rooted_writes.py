"""What mlgit writes beside the files of the user stays below its root, and whatever is in its place is a diagnostic."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from workspaces import commit, git, write

CANARY = "canary"
JOB = "$schema: azureml/commandJob.schema.json\nname: out\ncommand: echo\nenvironment: azureml:plain@latest\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Make a folder beside the workspace, with files that must never be shown or changed."""
    folder = tmp_path / "outside"
    write(folder, {"file": f"{CANARY}: [\n", "empty/.keep": ""})
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("link", ["compute", "compute/cluster.yml"])
@pytest.mark.parametrize("target", ["file", "empty", "new"])
def test_a_file_of_a_compute_is_not_written_through_a_link_that_leads_out(tmp_path, outside, mlgit, link, target):
    repository = tmp_path / "repository"
    write(repository, {"jobs/out.yml": f"{JOB}compute: azureml:cluster\n"})
    git(repository, "init", "--quiet")
    (repository / link).parent.mkdir(exist_ok=True)
    (repository / link).symlink_to(outside / target)
    before = contents(outside)
    ended = mlgit("init", "--here", "--write-computes", cwd=repository)
    assert ended.code == 0, ended.err
    assert f"skipped compute/cluster.yml: {link} is a symbolic link to {outside / target}" in ended.out
    assert contents(outside) == before
    assert CANARY not in ended.out + ended.err


def replace_by_folder(path: Path, _outside: Path) -> None:
    path.mkdir()


def replace_by_pipe(path: Path, _outside: Path) -> None:
    os.mkfifo(path)


def replace_by_link(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "file")


def replace_by_long_file(path: Path, _outside: Path) -> None:
    path.write_bytes(b"# a comment\n" * 1_000_000)


REPLACEMENTS = (replace_by_folder, replace_by_pipe, replace_by_link, replace_by_long_file)


@pytest.mark.parametrize("replace", [replace_by_link, replace_by_long_file])  # of a folder or a pipe, Git itself fails
def test_a_plan_is_saved_whatever_is_in_the_place_of_the_list_of_ignored_files(
    small, outside, mlgit, replace: Callable[[Path, Path], None]
):
    path = small / ".git/info/exclude"
    path.unlink()
    replace(path, outside)
    before = contents(outside)
    ended = mlgit("plan", "-o", "plan.json", cwd=small)
    assert ended.code == 0, ended.err
    assert (small / "plan.json").is_file()
    assert contents(outside) == before


def test_the_list_of_ignored_files_keeps_its_lines_and_its_mode(small, mlgit):
    path = small / ".git/info/exclude"
    path.write_bytes(b"*.log\n\xff")
    path.chmod(0o640)
    for _ in range(2):
        assert mlgit("plan", "-o", "plan.json", cwd=small).code == 0
    assert path.read_bytes() == b"*.log\n\xff\n/plan.json\n"
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_files_are_checked_by_name_whatever_is_in_the_place_of_the_configuration(
    small, outside, mlgit, replace: Callable[[Path, Path], None]
):
    path = small / "mlgit.yml"
    path.unlink()
    replace(path, outside)
    ended = mlgit("validate", "data/numbers.yml", cwd=small)
    assert ended.code in {0, 1}, ended.err
    assert CANARY not in ended.out + ended.err


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_a_file_beside_a_named_one_may_be_anything(small, outside, mlgit, replace: Callable[[Path, Path], None]):
    replace(small / "data/other.yml", outside)
    ended = mlgit("validate", "data/numbers.yml", cwd=small)
    assert ended.code == 0, ended.out + ended.err
    assert CANARY not in ended.out + ended.err


@pytest.mark.parametrize("name", ["verified.sqlite", "id", "runs", "files"])
@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_a_part_of_the_store_may_be_anything(small, outside, mlgit, name, replace: Callable[[Path, Path], None]):
    (small / ".mlgit/store").mkdir(parents=True)
    replace(small / ".mlgit/store" / name, outside)
    ended = mlgit("apply", "--auto-approve", cwd=small)
    assert ended.code in {0, 1}, ended.out + ended.err
    assert "internal-error" not in ended.out + ended.err


def test_a_configuration_that_leads_out_is_reported_where_it_is_named(small, outside, mlgit):
    (small / "mlgit.yml").unlink()
    (small / "mlgit.yml").symlink_to(outside / "file")
    commit(small)
    ended = mlgit("validate", "mlgit.yml", cwd=small)
    assert ended.code == 1
    assert "[link-outside]" in ended.out + ended.err
    assert CANARY not in ended.out + ended.err


@pytest.mark.parametrize("replace", [replace_by_folder, replace_by_pipe, replace_by_long_file])
def test_the_local_cache_may_be_anything(small, outside, mlgit, replace: Callable[[Path, Path], None]):
    (small / ".git/mlgit").mkdir(exist_ok=True)
    (small / ".git/mlgit/cache.sqlite").unlink(missing_ok=True)
    replace(small / ".git/mlgit/cache.sqlite", outside)
    for command in (("plan",), ("validate",), ("validate", "data/numbers.yml"), ("status",)):
        ended = mlgit(*command, cwd=small)
        assert ended.code == 0, ended.out + ended.err
