"""What takes long is done side by side; the rest in the plan's order; a failure skips only what waits for it."""

from __future__ import annotations

import pytest
from workspaces import APPLY, SMALL, commit, until

pytestmark = pytest.mark.slow


@pytest.fixture
def three(bench, paced):
    """Have three environments to be built."""
    plain = SMALL["environments/plain.yml"]
    specs = {"one": "3.8", "two": "3.9"}
    files = {
        f"environments/{name}.yml": plain.replace("plain", name).replace("3.11", python)
        for name, python in specs.items()
    }
    commit(bench.folder, "three", files)
    return bench.folder


def test_builds_go_on_side_by_side(three, paced, mlgit_process):
    process = mlgit_process(*APPLY, cwd=three, env=paced.environment)
    until(lambda: len(paced.builds()) == 3, 60)
    paced.go_on()
    out, said = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert "model/total: version 1" in out


def test_with_a_parallelism_of_one_they_go_one_after_another(three, paced, mlgit_process):
    process = mlgit_process(*APPLY, "--parallelism", "1", cwd=three, env=paced.environment)
    seen = []
    until(paced.builds, 60)
    until(lambda: seen.append(len(paced.builds())) or len(seen) > 50, 60)
    assert set(seen) == {1}
    paced.go_on()
    _, said = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert paced.builds() == ["one", "plain", "two"]


def test_a_build_that_fails_skips_only_what_needs_it(three, paced, mlgit, listed):
    paced.go_on()
    bad = SMALL["environments/plain.yml"].replace("python>=3.11", "python==3.99")
    commit(three, "bad", {"environments/plain.yml": bad})
    ended = mlgit(*APPLY, cwd=three)
    assert ended.code == 1
    assert "✗ environment/plain: build with paced" in ended.out
    assert "- environment/plain: version 1: skipped because build environment/plain failed" in ended.out
    live = [each["address"] for each in listed(three, "list")]
    assert live == ["data/numbers", "environment/one", "environment/two", "workspace/small"]


def test_what_is_quick_is_done_in_the_order_of_the_plan(bench, mlgit):
    names = [f"n{number}" for number in range(12)]
    files = {f"data/{name}.yml": SMALL["data/numbers.yml"].replace("numbers", name) for name in names}
    commit(bench.folder, "many", files | {f"data/{name}.csv": f"{name}\n" for name in names})
    out = mlgit(*APPLY, "--select", "data", cwd=bench.folder).out
    planned = [line.split()[1] for line in out.splitlines() if line.startswith("  + ")]
    done = [line.split()[1] for line in out.splitlines() if line.startswith("  ✓ ")]
    assert done == planned
    assert len(done) == 13
