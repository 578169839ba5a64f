"""A store on one host and a shared state: each host executes what it can, and names the host that has the rest."""

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
    """Create clones on a laptop and on the big machine, with a shared remote."""
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
    """Return a function that runs mlgit with the name of a clone as host name."""

    def run(folder, *arguments):
        monkeypatch.setenv("MLGIT_HOST", folder.name)
        return mlgit(*arguments, cwd=folder)

    return run


def test_a_machine_without_the_store_executes_the_rest_and_names_the_host_of_the_store(clones, on, golden):
    laptop, big = clones
    result = on(laptop, *APPLY)
    assert result.code == 0, result.out + result.err
    golden("cli/hosts/laptop.txt", result.out)
    assert not (laptop / ".mlgit/store/files").exists()
    assert not (laptop / ".mlgit/store/runs").exists()
    result = on(big, *APPLY)
    assert result.code == 0, result.out + result.err
    for folder in clones:
        assert "completed" in on(folder, "job", "list").out
        assert on(folder, "plan").out == "No changes. The live state is what Git declares.\n"


def test_only_the_host_of_a_run_refreshes_it(clones, on, golden):
    laptop, big = clones
    edit(big, "src/sum.py", "import pathlib, sys\n", "import pathlib, sys, time\ntime.sleep(300)\n")
    commit(big)
    assert on(big, *APPLY[:2]).code == 0
    git(big, "push", "--quiet", "origin", "main")
    git(laptop, "pull", "--quiet")
    assert "lost" not in on(laptop, "status").out
    golden("cli/hosts/drift.txt", on(laptop, "drift").out)
    result = on(laptop, *APPLY)
    assert result.code == 0, result.out + result.err
    logs = on(laptop, "job", "logs", "sum")
    assert (logs.code, "[backend-elsewhere]" in logs.err) == (1, True)
    assert on(big, "job", "cancel", "sum").code == 0
    assert "canceled" in on(laptop, "job", "list").out


def test_a_shared_state_without_hosts_is_refused_and_validate_warns(clones, on, golden):
    laptop, _ = clones
    edit(laptop, "mlgit.yml", ", host: big}\nbackends", "}\nbackends")
    edit(laptop, "mlgit.yml", "type: local, host: big", "type: local")
    commit(laptop)
    for command in (("plan",), APPLY, ("plan", "--refresh")):
        result = on(laptop, *command)
        assert (result.code, result.out) == (1, "")
        golden("cli/hosts/refused.txt", result.err)
    checked = on(laptop, "validate")
    assert checked.code == 0
    assert "warning: the store .mlgit/store exists in this clone only" in checked.out
    assert on(laptop, "status").code == 0
