"""mlgit explain: a page for every code, and a list of the codes."""

from __future__ import annotations

import json

import pytest

from reconciler.render.explain_pages import load_pages

pytestmark = pytest.mark.fast


def test_a_code_is_explained(tmp_path, mlgit):
    result = mlgit("explain", "version-immutable", cwd=tmp_path)
    assert result.code == 0
    assert result.out.startswith("version-immutable\n\nA version is registered already")
    assert "Fix: raise the version" in result.out


@pytest.mark.parametrize("code", ["[yaml-key]", "YAML-KEY"])
def test_a_code_can_be_given_as_a_message_shows_it(tmp_path, mlgit, code):
    assert mlgit("explain", code, cwd=tmp_path).out.startswith("yaml-key\n")


def test_without_a_code_all_codes_are_listed_one_per_line(tmp_path, mlgit):
    lines = mlgit("explain", cwd=tmp_path).out.splitlines()
    assert [line.split()[0] for line in lines] == list(load_pages())
    assert all(len(line.split()) > 2 for line in lines)


def test_a_mistyped_code_is_answered_with_a_suggestion(tmp_path, mlgit):
    result = mlgit("explain", "version-imutable", cwd=tmp_path)
    assert result.code == 1
    assert "[code-unknown]" in result.err
    assert "did you mean version-immutable?" in result.err


def test_pages_and_the_list_of_codes_are_printed_as_json(tmp_path, mlgit):
    page = json.loads(mlgit("explain", "wrong-type", "--format", "json", cwd=tmp_path).out)
    assert page["code"] == "wrong-type"
    assert page["summary"]
    assert page["text"]
    pages = json.loads(mlgit("explain", "--format", "json", cwd=tmp_path).out)
    assert {"code": page["code"], "summary": page["summary"]} in pages
