"""Hostile names and files: escaped or refused, never interpreted by the terminal, and no traceback."""

from __future__ import annotations

import json
import os

import pytest
from workspaces import APPLY, SMALL, commit, edit, git, put, write

from reconciler.model import Address
from reconciler.state import paths


def test_a_name_with_a_line_break_is_refused_at_its_line(small, mlgit):
    for number, name in enumerate(['"a\\n"', '"a\\e[2Jb"', '"a\\tb"']):
        write(small, {f"jobs/j{number}.yml": SMALL["jobs/sum.yml"].replace("name: sum", f"name: {name}")})
    ended = mlgit("plan", cwd=small)
    assert ended.code == 1
    assert ended.err.count("[name-unprintable]") == 3
    assert "\x1b" not in ended.err


def test_control_characters_of_a_file_are_not_printed(applied, mlgit):
    edit(applied, "data/numbers.yml", "type: uri_file", 'type: uri_file\ndescription: "\\e[2J\\n+ forged: line"')
    ended = mlgit("plan", cwd=applied)
    assert ended.code == 0
    assert "\x1b" not in ended.out
    assert not [line for line in ended.out.splitlines() if line.lstrip().startswith("+ forged")]


def test_a_file_name_that_is_not_utf8_is_refused_if_an_asset_needs_the_file(small, mlgit):
    (small / os.fsdecode(b"src/caf\xe9.txt")).write_text("x", "utf-8")
    (small / os.fsdecode(b"data/caf\xe9.yml")).write_text("name: x\n", "utf-8")
    (small / os.fsdecode(b"caf\xe9.txt")).write_text("nobody asks for it", "utf-8")
    for command in (("plan",), ("validate",), ("validate", "--format", "json"), ("validate", ".", "--format", "json")):
        ended = mlgit(*command, cwd=small)
        assert ended.code in {0, 1}, ended.err
    output = mlgit("plan", cwd=small).err
    assert "the name of src/caf\ufffd.txt is not UTF-8 [path-not-utf8]" in output
    assert "the name of data/caf\ufffd.yml is not UTF-8 [path-not-utf8]" in output
    assert "error: 2 errors" in output


def test_a_record_of_an_unknown_kind_is_not_changed(applied, mlgit):
    path = paths.current_record_path(Address("gadget", "x"))
    record = {"address": "gadget/x", "spec": {}, "fingerprint": "f", "metadata": "m", "fp_version": 1}
    put(applied, path, record | {"declared_at": git(applied, "rev-parse", "HEAD")})
    ended = mlgit("plan", cwd=applied)
    assert ended.code == 0, ended.err
    assert "gadget/x is live, of a kind that this version of mlgit does not know: not changed" in ended.out
    assert mlgit("status", cwd=applied).code == 0
    assert mlgit("list", cwd=applied).code == 0


def test_an_unreadable_line_of_metrics_is_skipped_with_a_note(applied, mlgit):
    (run,) = json.loads(mlgit("job", "list", "--format", "json", cwd=applied).out)
    path = next((applied / ".mlgit/store/runs" / run["run"]).rglob("result.json")).parent / "metrics.jsonl"
    path.write_text('{"key": "loss", "value": 1.0, "step": 0, "timestamp": 0}\n{"key": "lo', "utf-8")
    ended = mlgit("job", "metrics", "sum", cwd=applied)
    assert ended.code == 0
    assert "loss" in ended.out
    assert ended.err == f"run {run['run']}: skipped 1 unreadable line of its metrics\n"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("data", "store-tracked"),
        (".", "store-tracked"),
        ("../x", "store-outside"),
        (".git", "store-in-git"),
        ("x/../.git/store", "store-in-git"),
        ('"\\0x"', "wrong-value"),
    ],
)
def test_an_invalid_path_of_the_store_is_refused_at_its_line(small, mlgit, path, code):
    edit(small, "mlgit.yml", "path: .mlgit/store", f"path: {path}")
    ended = mlgit("plan", cwd=small)
    assert ended.code == 1
    assert "mlgit.yml:2:15: error: " in ended.err
    assert f"[{code}]" in ended.err


def test_a_glob_with_many_wildcards_takes_no_exponential_time(small, mlgit):
    write(small, {f"data/{'.' * 200}.yml": "a: 1\n", "src/.amlignore": "*a" * 25, f"src/{'a' * 200}b": "x"})
    with (small / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write('assets: {exclude: ["' + "*" * 25 + '...*b"]}\n')
    assert mlgit("plan", cwd=small).code == 0
    assert mlgit("fmt", "--check", cwd=small).code in {0, 1}


def test_a_store_outside_the_repository_can_have_an_absolute_path(small, mlgit, tmp_path):
    edit(small, "mlgit.yml", "path: .mlgit/store", f"path: {tmp_path}/store")
    assert mlgit("plan", cwd=small).code == 0


def test_addresses_that_differ_only_in_case_are_noted(small, mlgit):
    write(small, {"data/other.yml": SMALL["data/numbers.yml"].replace("name: numbers", "name: Numbers")})
    ended = mlgit("plan", cwd=small)
    assert ended.code == 0
    assert "note: data/numbers differs from data/Numbers only in case [address-alike]" in ended.err.replace(
        "data/Numbers differs from data/numbers", "data/numbers differs from data/Numbers"
    )


def test_an_error_lowered_to_a_warning_does_not_stop_plan_and_validate(small, mlgit):
    edit(small, "jobs/sum.yml", "${{inputs.factor}}", "${{inputs.facter}}")
    assert mlgit("plan", cwd=small).code == mlgit("validate", cwd=small).code == 1
    with (small / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write("rules: {expression-undeclared: warning}\n")
    commit(small)
    for command in (("plan",), ("validate",), ("validate", "jobs/sum.yml")):
        ended = mlgit(*command, cwd=small)
        assert ended.code == 0
        assert "warning: " in ended.out + ended.err
    assert "first run of job/sum" in mlgit("plan", cwd=small).out


def test_a_rule_that_is_off_has_no_diagnostics_and_apply_works(applied, mlgit):
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 2\n  spare: 1\n")
    edit(applied, "jobs/sum.yml", "${{inputs.factor}}", "${{inputs.factor}} # ${{inputs.facter}}")
    with (applied / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write("rules: {expression-undeclared: off}\n")
    commit(applied)
    ended = mlgit(*APPLY[:2], cwd=applied)
    assert ended.code == 0, ended.err
    assert "facter" not in ended.err
