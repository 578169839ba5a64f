"""status: the options of watching, and how each asset stands for programs."""

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
def test_options_that_do_not_go_together_are_refused(options, applied, mlgit):
    ended = mlgit("status", *options, cwd=applied)
    assert (ended.code, ended.out, ended.err.count("error: ")) == (1, "", 1)


def test_a_watch_ends_at_once_where_nothing_runs(applied, mlgit):
    ended = mlgit("status", "--watch", "--until-idle", cwd=applied)
    assert (ended.code, ended.out) == (0, mlgit("status", cwd=applied).out)


def test_programs_are_told_how_each_asset_stands(applied, mlgit):
    found = json.loads(mlgit("status", "--format", "json", cwd=applied).out)
    assert {each["address"]: each["state"] for each in found}["job/sum"] == "completed"
    assert not any("pending" in each for each in found)


def test_what_waits_to_be_run_by_hand_is_said(applied, mlgit):
    text = (applied / "mlgit.yml").read_text()
    (applied / "mlgit.yml").write_text(f'{text}assets: {{include: [{{glob: "**/*.yml", run: manual}}]}}\n')
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied)
    assert "  job/sum: is run by hand: mlgit job rerun sum" in mlgit("status", cwd=applied).out
    found = json.loads(mlgit("status", "--format", "json", cwd=applied).out)
    left = {each["address"]: each["pending"] for each in found if "pending" in each}
    assert left["job/sum"] == {"failed": False, "message": "is run by hand: mlgit job rerun sum"}
