"""The in-memory world of the planning tests agrees with Git."""

from __future__ import annotations

from planning.world import World, small, tree_of
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


def test_a_converged_world_needs_no_changes():
    world = World()
    assert len(world.settle(small())) == 2
    plan = world.plan(small())
    assert (plan.actions, plan.blocked, plan.notes) == ((), (), ())
