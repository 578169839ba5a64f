"""mlgit status: the options of --watch, and the JSON output."""

from __future__ import annotations

import json

import pytest
from workspaces import commit, edit


@pytest.mark.parametrize(
    "options",
    [
        ("--until-idle",),
        ("--watch", "--interval", "soon"),
        ("--watch", "--interval", "0s"),
        ("--watch", "--format", "json"),
    ],
    ids=" ".join,
)
def test_invalid_combinations_of_options_are_refused(options, applied, mlgit):
    ended = mlgit("status", *options, cwd=applied)
    assert (ended.code, ended.out, ended.err.count("error: ")) == (1, "", 1)


def test_until_idle_exits_at_once_if_no_run_is_active(applied, mlgit):
    ended = mlgit("status", "--watch", "--until-idle", cwd=applied)
    assert (ended.code, ended.out) == (0, mlgit("status", cwd=applied).out)


def test_json_has_the_state_of_each_asset(applied, mlgit):
    assets = json.loads(mlgit("status", "--format", "json", cwd=applied).out)
    assert {asset["address"]: asset["state"] for asset in assets}["job/sum"] == "completed"
    assert not any("pending" in asset for asset in assets)


def test_a_job_that_waits_for_a_manual_run_is_pending(applied, mlgit):
    config = (applied / "mlgit.yml").read_text()
    (applied / "mlgit.yml").write_text(f'{config}assets: {{include: [{{glob: "**/*.yml", run: manual}}]}}\n')
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied)
    assert "1 job is run by hand: `mlgit job rerun sum`\n" in mlgit("status", cwd=applied).out
    assets = json.loads(mlgit("status", "--format", "json", cwd=applied).out)
    pending = {asset["address"]: asset["pending"] for asset in assets if "pending" in asset}
    assert pending["job/sum"] == {"failed": False, "message": "is run by hand: mlgit job rerun sum"}
