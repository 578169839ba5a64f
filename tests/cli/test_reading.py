"""status, list, show, log, and the job commands that only read: for people and for programs."""

from __future__ import annotations

import json

import pytest
from workspaces import edit

TEXTS = {
    "status": ("status",),
    "list": ("list",),
    "list-model": ("list", "model"),
    "list-compute": ("list", "compute"),
    "show-model": ("show", "model/total"),
    "show-job": ("show", "job/sum"),
    "show-environment": ("show", "environment/plain@1"),
    "log": ("log",),
    "log-last": ("log", "-n", "1"),
    "job-list": ("job", "list"),
    "job-show": ("job", "show", "sum"),
    "job-logs": ("job", "logs", "sum"),
    "job-metrics": ("job", "metrics", "sum"),
    "job-wait": ("job", "wait", "sum"),
}
BEFORE = {"status": ("status",), "list": ("list",), "log": ("log",), "job-list": ("job", "list")}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_live_is_told_to_people(name, applied, mlgit, golden):
    ended = mlgit(*TEXTS[name], cwd=applied)
    assert (ended.code, ended.err) == (0, "")
    golden(f"cli/reading/{name}.txt", ended.out)


@pytest.mark.parametrize("name", BEFORE)
def test_before_anything_is_live_that_is_said(name, small, mlgit, golden):
    ended = mlgit(*BEFORE[name], cwd=small)
    assert (ended.code, ended.err) == (0, "")
    golden(f"cli/reading/{name}-before.txt", ended.out)
    assert json.loads(mlgit(*BEFORE[name], "--format", "json", cwd=small).out) == []


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in ("job-logs", "job-wait")])
def test_what_is_live_is_told_to_programs(name, applied, mlgit, golden):
    ended = mlgit(*TEXTS[name], "--format", "json", cwd=applied)
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) is not None
    golden(f"cli/reading/{name}.json", ended.out)


UNKNOWN = {
    "address": ("show", "model/totl"),
    "address-without-kind": ("show", "total"),
    "version": ("show", "model/total@7"),
    "job": ("job", "show", "summ"),
    "run": ("job", "logs", "sum-00000000"),
    "job-to-rerun": ("job", "rerun", "summ"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_there_is_refused_with_what_there_is(name, applied, mlgit, golden):
    ended = mlgit(*UNKNOWN[name], cwd=applied)
    assert (ended.code, ended.out) == (1, "")
    golden(f"cli/faults/unknown-{name}.txt", ended.err)


def test_a_run_can_be_named_by_itself_or_by_its_job(applied, mlgit):
    (run,) = json.loads(mlgit("job", "list", "--format", "json", cwd=applied).out)
    named = [mlgit("job", "show", name, cwd=applied).out for name in ("sum", "job/sum", run["run"])]
    assert named[0] == named[1] == named[2]


def test_reading_does_not_care_what_the_work_tree_looks_like(applied, mlgit):
    edit(applied, "jobs/sum.yml", "environment:", "enviroment:")
    for command in TEXTS.values():
        assert mlgit(*command, cwd=applied).code == 0
