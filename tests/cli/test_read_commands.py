"""The commands that only read the live state, as text and as JSON: status, list, show, log, and most of job."""

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
    "lineage-model": ("lineage", "model/total"),
    "lineage-environment": ("lineage", "environment/plain@1", "--down"),
    "lineage-job": ("lineage", "sum", "--up"),
    "log": ("log",),
    "log-last": ("log", "-n", "1"),
    "job-list": ("job", "list"),
    "job-show": ("job", "show", "sum"),
    "job-logs": ("job", "logs", "sum"),
    "job-metrics": ("job", "metrics", "sum"),
    "job-wait": ("job", "wait", "sum"),
}
EMPTY = {"status": ("status",), "list": ("list",), "log": ("log",), "job-list": ("job", "list")}


@pytest.mark.parametrize("name", TEXTS)
def test_the_live_state_is_printed_as_text(name, applied, mlgit, golden):
    result = mlgit(*TEXTS[name], cwd=applied)
    assert (result.code, result.err) == (0, "")
    golden(f"cli/reading/{name}.txt", result.out)


@pytest.mark.parametrize("name", EMPTY)
def test_without_a_live_state_each_command_prints_that_there_is_nothing_yet(name, small, mlgit, golden):
    result = mlgit(*EMPTY[name], cwd=small)
    assert (result.code, result.err) == (0, "")
    golden(f"cli/reading/{name}-before.txt", result.out)
    assert json.loads(mlgit(*EMPTY[name], "--format", "json", cwd=small).out) == []


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in ("job-logs", "job-wait")])
def test_the_live_state_is_printed_as_json(name, applied, mlgit, golden):
    result = mlgit(*TEXTS[name], "--format", "json", cwd=applied)
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) is not None
    golden(f"cli/reading/{name}.json", result.out)


def test_a_lineage_is_drawn_for_markdown(applied, mlgit, golden):
    golden("cli/reading/lineage-model.mmd", mlgit("lineage", "model/total", "--format", "mermaid", cwd=applied).out)


UNKNOWN = {
    "address": ("show", "model/totl"),
    "address-without-kind": ("show", "total"),
    "version": ("show", "model/total@7"),
    "job": ("job", "show", "summ"),
    "run": ("job", "logs", "sum-00000000"),
    "job-to-rerun": ("job", "rerun", "summ"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_name_is_refused_with_the_known_ones(name, applied, mlgit, golden):
    result = mlgit(*UNKNOWN[name], cwd=applied)
    assert (result.code, result.out) == (1, "")
    golden(f"cli/errors/unknown-{name}.txt", result.err)


def test_a_run_can_be_named_by_itself_or_by_its_job(applied, mlgit):
    (run,) = json.loads(mlgit("job", "list", "--format", "json", cwd=applied).out)
    named = [mlgit("job", "show", name, cwd=applied).out for name in ("sum", "job/sum", run["run"])]
    assert named[0] == named[1] == named[2]


def test_commands_that_read_the_live_state_work_with_invalid_files(applied, mlgit):
    edit(applied, "jobs/sum.yml", "environment:", "enviroment:")
    for command in TEXTS.values():
        assert mlgit(*command, cwd=applied).code == 0
