"""Parallel execution: slow actions run in parallel, quick ones in the order of the plan, failures skip dependents."""

from __future__ import annotations

import pytest
from workspaces import APPLY, SMALL, commit, until

pytestmark = pytest.mark.slow


@pytest.fixture
def three(workspace, paced):
    """Declare three environments."""
    plain = SMALL["environments/plain.yml"]
    specs = {"one": "3.8", "two": "3.9"}
    files = {
        f"environments/{name}.yml": plain.replace("plain", name).replace("3.11", python)
        for name, python in specs.items()
    }
    commit(workspace.folder, "three", files)
    return workspace.folder


def test_builds_run_in_parallel(three, paced, mlgit_process):
    process = mlgit_process(*APPLY, cwd=three, env=paced.environment)
    until(lambda: len(paced.builds()) == 3)
    paced.go_on()
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert "model/total: version 1" in out


def test_with_a_parallelism_of_one_builds_run_one_after_another(three, paced, mlgit_process):
    process = mlgit_process(*APPLY, "--parallelism", "1", cwd=three, env=paced.environment)
    counts = []
    until(paced.builds)
    until(lambda: counts.append(len(paced.builds())) or len(counts) > 50)
    assert set(counts) == {1}
    paced.go_on()
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert paced.builds() == ["one", "plain", "two"]


def test_a_build_that_fails_skips_only_what_needs_it(three, paced, mlgit, run_json):
    paced.go_on()
    bad = SMALL["environments/plain.yml"].replace("python>=3.11", "python==3.99")
    commit(three, "bad", {"environments/plain.yml": bad})
    result = mlgit(*APPLY, cwd=three)
    assert result.code == 1
    assert "✗ environment/plain: build with paced" in result.out
    assert "- environment/plain: version 1: skipped because build environment/plain failed" in result.out
    live = [asset["address"] for asset in run_json(three, "list")]
    assert live == ["data/numbers", "environment/one", "environment/two", "workspace/small"]


def test_quick_actions_are_executed_in_the_order_of_the_plan(workspace, mlgit):
    names = [f"n{number}" for number in range(12)]
    files = {f"data/{name}.yml": SMALL["data/numbers.yml"].replace("numbers", name) for name in names}
    commit(workspace.folder, "many", files | {f"data/{name}.csv": f"{name}\n" for name in names})
    out = mlgit(*APPLY, "--select", "data", cwd=workspace.folder).out
    planned = [line.split()[1] for line in out.splitlines() if line.startswith("  + ")]
    done = [line.split()[1] for line in out.splitlines() if line.startswith("  ✓ ")]
    assert done == planned
    assert len(done) == 13
