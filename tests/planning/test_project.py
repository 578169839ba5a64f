"""The in-memory project of the planning tests has the trees that Git would have."""

from __future__ import annotations

from planning.project import InMemoryProject, small, tree_of
from workspaces import git, write

from reconciler.git.lazy_tree import load_tree
from reconciler.git.repository import open_repository


def test_a_tree_in_memory_has_the_entries_that_git_would_give_it(tmp_path):
    git(tmp_path, "init", "--quiet")
    write(tmp_path, small())
    repository = open_repository(tmp_path)
    real = load_tree(repository, repository.write_work_tree())
    memory_tree = tree_of(small())
    assert dict(memory_tree.entries) == dict(real.entries)
    assert all(memory_tree.read_blob(entry.oid) == real.read_blob(entry.oid) for entry in real.entries.values())
    repository.close()


def test_a_converged_project_needs_no_changes():
    project = InMemoryProject()
    assert len(project.converge(small())) == 2
    plan = project.plan(small())
    assert (plan.actions, plan.blocked, plan.notes) == ((), (), ())
