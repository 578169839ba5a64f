"""mlgit explain: a page for each code, and a way to find it."""

from __future__ import annotations

import json

import pytest

from reconciler.render.explain_pages import load_pages


def test_a_code_is_explained(tmp_path, mlgit):
    ended = mlgit("explain", "version-immutable", cwd=tmp_path)
    assert ended.code == 0
    assert ended.out.startswith("version-immutable\n\nA version is registered already")
    assert "Fix: raise the version" in ended.out


@pytest.mark.parametrize("typed", ["[yaml-key]", "YAML-KEY"])
def test_a_code_is_understood_as_it_stands_in_a_message(tmp_path, mlgit, typed):
    assert mlgit("explain", typed, cwd=tmp_path).out.startswith("yaml-key\n")


def test_without_a_code_all_are_listed_a_line_each(tmp_path, mlgit):
    lines = mlgit("explain", cwd=tmp_path).out.splitlines()
    assert [line.split()[0] for line in lines] == list(load_pages())
    assert all(len(line.split()) > 2 for line in lines)


def test_a_code_that_is_mistyped_is_recognised(tmp_path, mlgit):
    ended = mlgit("explain", "version-imutable", cwd=tmp_path)
    assert ended.code == 1
    assert "[code-unknown]" in ended.err
    assert "did you mean version-immutable?" in ended.err


def test_programs_get_an_explanation_as_json(tmp_path, mlgit):
    page = json.loads(mlgit("explain", "wrong-type", "--format", "json", cwd=tmp_path).out)
    assert page["code"] == "wrong-type"
    assert page["summary"]
    assert page["text"]
    listed = json.loads(mlgit("explain", "--format", "json", cwd=tmp_path).out)
    assert {"code": page["code"], "summary": page["summary"]} in listed
