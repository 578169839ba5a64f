"""A store on one machine, a live state that many share: each machine does what it can, and says who does the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from workspaces import APPLY, SMALL, commit, edit, git

pytestmark = pytest.mark.slow

SHARED = """
    state: {name: small, lineage: "11111111111111111111111111111111", remote: origin}
    store: {path: .mlgit/store, host: big}
    backends: {local: {type: local, host: big}}
    compute: {"*": local}
    """
_LAPTOP, _BIG = "laptop", "big"


@pytest.fixture
def clones(tmp_path: Path) -> tuple[Path, Path]:
    """Make clones on a laptop and on the big machine, with one remote between them."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    laptop = tmp_path / _LAPTOP
    git(tmp_path, "clone", "--quiet", "remote.git", _LAPTOP)
    git(laptop, "symbolic-ref", "HEAD", "refs/heads/main")
    commit(laptop, "start", {**SMALL, "mlgit.yml": SHARED})
    git(laptop, "push", "--quiet", "origin", "main")
    git(tmp_path, "clone", "--quiet", "remote.git", _BIG)
    return laptop, tmp_path / _BIG


@pytest.fixture
def on(mlgit, monkeypatch):
    """Run mlgit on the machine that a clone is named after."""

    def run(folder, *arguments):
        monkeypatch.setenv("MLGIT_HOST", folder.name)
        return mlgit(*arguments, cwd=folder)

    return run


def test_a_machine_without_the_store_does_the_rest_and_says_who_has_it(clones, on, golden):
    laptop, big = clones
    ended = on(laptop, *APPLY)
    assert ended.code == 0, ended.out + ended.err
    golden("cli/hosts/laptop.txt", ended.out)
    assert not (laptop / ".mlgit/store/files").exists()
    assert not (laptop / ".mlgit/store/runs").exists()
    ended = on(big, *APPLY)
    assert ended.code == 0, ended.out + ended.err
    for folder in clones:
        assert "completed" in on(folder, "job", "list").out
        assert on(folder, "plan").out == "No changes. The live state is what Git declares.\n"


def test_a_run_is_nobody_s_to_judge_but_its_machine_s(clones, on, golden):
    laptop, big = clones
    edit(big, "src/sum.py", "import pathlib, sys\n", "import pathlib, sys, time\ntime.sleep(60)\n")
    commit(big)
    assert on(big, *APPLY[:2]).code == 0
    git(big, "push", "--quiet", "origin", "main")
    git(laptop, "pull", "--quiet")
    assert "lost" not in on(laptop, "status").out
    golden("cli/hosts/drift.txt", on(laptop, "drift").out)
    ended = on(laptop, *APPLY)
    assert ended.code == 0, ended.out + ended.err
    logs = on(laptop, "job", "logs", "sum")
    assert (logs.code, "[backend-elsewhere]" in logs.err) == (1, True)
    assert on(big, "job", "cancel", "sum").code == 0
    assert "canceled" in on(laptop, "job", "list").out


def test_what_has_no_host_is_refused_before_anything_is_done_and_validate_warns(clones, on, golden):
    laptop, _ = clones
    edit(laptop, "mlgit.yml", ", host: big}\nbackends", "}\nbackends")
    edit(laptop, "mlgit.yml", "type: local, host: big", "type: local")
    commit(laptop)
    for command in (("plan",), APPLY, ("plan", "--refresh")):
        ended = on(laptop, *command)
        assert (ended.code, ended.out) == (1, "")
        golden("cli/hosts/refused.txt", ended.err)
    checked = on(laptop, "validate")
    assert checked.code == 0
    assert "warning: the store .mlgit/store exists in this clone only" in checked.out
    assert on(laptop, "status").code == 0
