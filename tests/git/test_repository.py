from __future__ import annotations

import pytest
from workspaces import commit, git, write

from reconciler.diagnostics import UserError
from reconciler.git.repository import open_repository
from reconciler.source.assets import read_asset_set
from reconciler.source.workspace import find_workspace, read_config, tree_of_work_tree


def code(raised: pytest.ExceptionInfo[UserError]) -> str:
    return raised.value.diagnostics[0].code


def refs_of(folder):
    return git(folder, "for-each-ref")


def test_a_folder_outside_git_is_refused_with_a_hint(tmp_path):
    with pytest.raises(UserError) as raised:
        open_repository(tmp_path)
    assert code(raised) == "not-a-git-repository"
    assert "mlgit init" in raised.value.diagnostics[0].hint


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(UserError) as raised:
        open_repository(tmp_path / "nowhere")
    assert code(raised) == "not-a-git-repository"


def test_a_bare_repository_is_refused(tmp_path):
    git(tmp_path, "init", "--quiet", "--bare")
    with pytest.raises(UserError) as raised:
        open_repository(tmp_path)
    assert code(raised) == "bare-repository"


def test_a_repository_without_commits_has_no_head_and_still_a_work_tree(empty, opened):
    repository = opened(empty)
    assert repository.head() == ""
    write(empty, {"a.txt": "a\n"})
    assert git(empty, "ls-tree", "--name-only", repository.write_work_tree(keep=True)) == "a.txt"
    assert repository.is_ancestor("HEAD", "") is False


def test_a_repository_without_files_has_an_empty_work_tree(empty, opened):
    assert git(empty, "ls-tree", opened(empty).write_work_tree(keep=True)) == ""


def test_the_work_tree_has_changed_new_and_deleted_files_but_no_ignored_ones(small, opened):
    write(small, {"src/sum.py": "changed\n", "new/file.txt": "new\n", ".mlgit/store/x": "ignored\n"})
    (small / "models/total.yml").unlink()
    repository = opened(small)
    before = set(git(small, "ls-tree", "-r", "--name-only", "HEAD").split())
    after = set(git(small, "ls-tree", "-r", "--name-only", repository.write_work_tree(keep=True)).split())
    assert (after - before, before - after) == ({"new/file.txt"}, {"models/total.yml"})
    assert git(small, "show", f"{repository.write_work_tree(keep=True)}:src/sum.py") == "changed"


def test_reading_the_work_tree_leaves_index_status_and_refs_as_they_were(small, opened):
    write(small, {"src/sum.py": "staged\n"})
    git(small, "add", "src/sum.py")
    write(small, {"src/sum.py": "changed again\n", "new.txt": "new\n"})
    status_before = (git(small, "status", "--porcelain"), git(small, "ls-files", "--stage"), refs_of(small))
    index = (small / ".git/index").read_bytes()
    opened(small).write_work_tree()
    assert (small / ".git/index").read_bytes() == index
    assert (git(small, "status", "--porcelain"), git(small, "ls-files", "--stage"), refs_of(small)) == status_before


def test_the_work_tree_of_a_clean_clone_is_the_tree_of_its_head(small, opened):
    repository = opened(small)
    assert repository.write_work_tree() == repository.tree_of(repository.head())


def test_the_work_tree_is_complete_from_a_subfolder_and_in_a_linked_work_tree(small, opened, tmp_path):
    write(small, {"new.txt": "new\n"})
    assert "new.txt" in git(small, "ls-tree", "--name-only", opened(small / "src").write_work_tree(keep=True))
    git(small, "worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    linked = opened(tmp_path / "linked")
    write(tmp_path / "linked", {"other.txt": "x\n"})
    names = git(small, "ls-tree", "--name-only", linked.write_work_tree(keep=True)).split()
    assert "other.txt" in names
    assert "new.txt" not in names
    assert linked.common == opened(small).common


def test_a_dirty_tree_can_be_stored_without_a_branch(small, opened):
    head = git(small, "rev-parse", "HEAD")
    write(small, {"new.txt": "new\n"})
    repository = opened(small)
    stored = repository.commit_tree(repository.write_work_tree(keep=True), head, "dirty")
    assert git(small, "rev-parse", f"{stored}^") == head
    assert git(small, "show", f"{stored}:new.txt") == "new"
    assert repository.head() == head


def test_ancestry_is_known_in_a_complete_clone(small, opened):
    first = git(small, "rev-parse", "HEAD")
    second = commit(small, "second")
    git(small, "checkout", "--quiet", "-b", "side", first)
    side = commit(small, "side")
    repository = opened(small)
    assert repository.is_ancestor(first, second) is True
    assert repository.is_ancestor(second, second) is True
    assert repository.is_ancestor(second, first) is False
    assert repository.is_ancestor(side, second) is False
    assert repository.is_ancestor("0" * 39 + "1", second) is False
    assert repository.is_ancestor("", second) is False


def test_ancestry_is_unknown_in_a_shallow_clone_unless_both_commits_are_in_it(small, opened, tmp_path):
    first = git(small, "rev-parse", "HEAD")
    last = commit(small, "second")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{small}", "shallow")
    repository = opened(tmp_path / "shallow")
    assert repository.is_shallow()
    assert repository.is_ancestor(last, last) is True
    assert repository.is_ancestor(first, last) is None


def test_a_machine_without_an_identity_writes_as_mlgit(small, opened, monkeypatch, tmp_path):
    (tmp_path / "gitconfig").write_text("[user]\n\tuseConfigOnly = true\n", "utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    repository = opened(small)
    stored = repository.commit_tree(repository.write_work_tree(keep=True), "", "by nobody")
    assert git(small, "show", "-s", "--format=%an <%ae>", stored) == "mlgit <mlgit@localhost>"


@pytest.mark.parametrize("revision", ["nope", "--all", "-h", "HEAD^99", "HEAD:src", "", " ", "a b"])
def test_a_revision_that_is_no_commit_resolves_to_nothing(small, opened, revision):
    assert opened(small).resolve(revision) == ""


def test_a_workspace_is_the_nearest_parent_folder_with_mlgit_yml(small):
    write(small, {"team/inner/mlgit.yml": "state: {}\n", "team/inner/deep/x.txt": "x\n", "team/y.txt": "y\n"})
    workspaces_by_folder = {name: find_workspace(small / name) for name in ("", "src", "team", "team/inner/deep")}
    roots = {name: workspace.root for name, workspace in workspaces_by_folder.items()}
    assert roots == {"": "", "src": "", "team": "", "team/inner/deep": "team/inner/"}
    for workspace in workspaces_by_folder.values():
        workspace.repository.close()


def test_a_repository_without_a_workspace_is_refused(empty):
    (empty / "a").mkdir()
    with pytest.raises(UserError) as raised:
        find_workspace(empty / "a")
    assert code(raised) == "not-a-workspace"


def declared(folder):
    workspace = find_workspace(folder)
    _, tree = tree_of_work_tree(workspace)
    asset_set = read_asset_set(tree, read_config(tree)[0])
    workspace.repository.close()
    return asset_set


def test_a_nested_workspace_is_excluded_from_the_outer_one(small):
    outer = {str(asset) for asset in declared(small).assets}
    files = {f"team/inner/{path.name}": path.read_text("utf-8") for path in small.glob("*.yml")}
    write(small, {**files, "team/inner/data/d.yml": (small / "data/numbers.yml").read_text("utf-8")})
    write(small, {"team/inner/data/numbers.csv": "n\n1\n"})
    assert {str(asset) for asset in declared(small).assets} == outer
    assert {str(asset) for asset in declared(small / "team/inner").assets} == {"workspace/small", "data/numbers"}


def test_a_workspace_in_a_subfolder_is_the_same_and_can_use_files_outside_of_it(small):
    before = declared(small)
    (small / "below").mkdir()
    for name in ("mlgit.yml", "workspace.yml", "data", "environments", "jobs", "models"):
        (small / name).rename(small / "below" / name)
    job = small / "below/jobs/sum.yml"
    job.write_text(job.read_text("utf-8").replace("code: ../src", "code: ../../src"), "utf-8")
    after = declared(small / "below")
    assert after.diagnostics == ()
    assert after.assets.keys() == before.assets.keys()
    assert {path.path for asset in after.assets.values() for path in asset.paths} == {"src", "below/data/numbers.csv"}


def test_a_problem_in_a_subfolder_is_shown_from_the_workspace_root(small):
    write(
        small, {"below/mlgit.yml": (small / "mlgit.yml").read_text("utf-8"), "below/data/d.yml": "$schema: azureml\n"}
    )
    (problem,) = declared(small / "below").diagnostics
    assert str(problem.span) == "data/d.yml:1:10"


def test_the_configuration_must_be_in_git(small, mlgit):
    write(small, {".gitignore": "/.mlgit/\n/mlgit.yml\n"})
    git(small, "rm", "--quiet", "--cached", "mlgit.yml")
    ended = mlgit("plan", cwd=small)
    assert ended.code == 1
    assert "check-ignore" in ended.err
