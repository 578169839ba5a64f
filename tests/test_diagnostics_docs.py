"""Every diagnostic has its page and every page its diagnostic: read from the syntax tree, so none is forgotten."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.render.explain_pages import ExplainPage, load_pages

PACKAGE = Path(__file__).parent.parent / "reconciler"
TREES = [ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))]
NODES = [node for tree in TREES for node in ast.walk(tree)]


def parameters(node: ast.AST) -> Iterator[tuple[str, int, ast.expr | None]]:
    """Yield (what is called, place of the parameter ``code``, its default) for what takes the code of a diagnostic."""
    if isinstance(node, ast.ClassDef):
        fields = [each.target.id for each in node.body if isinstance(each, ast.AnnAssign)]
        if "code" in fields:
            yield node.name, fields.index("code"), None
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                yield from ((node.name, place, default) for _, place, default in parameters(inner))
    if isinstance(node, ast.FunctionDef) and not node.decorator_list:  # a command takes a code from the user
        names = [arg.arg for arg in node.args.args if arg.arg != "self"]
        if "code" in names:
            defaults = dict(zip(reversed(names), reversed(node.args.defaults), strict=False))
            yield node.name, names.index("code"), defaults.get("code")


TAKING = {name: place for node in NODES for name, place, _ in parameters(node)}
DEFAULTS = [default for node in NODES for _, _, default in parameters(node) if default is not None]


def given(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that are codes: arguments for ``code``, and the first of a problem written as a tuple."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in TAKING:
            yield from node.args[TAKING[name] : TAKING[name] + 1]
            yield from (keyword.value for keyword in node.keywords if keyword.arg == "code")
    elif isinstance(node, ast.Tuple) and len(node.elts) == 4:
        message = node.elts[1]
        if isinstance(message, ast.JoinedStr) or (isinstance(message, ast.Constant) and " " in str(message.value)):
            yield node.elts[0]


def patterns(code: ast.expr) -> Iterator[str]:
    """Yield the codes that an expression can be, as regular expressions; none where a variable decides."""
    match code:
        case ast.Constant(value=str(text)):
            yield re.escape(text)
        case ast.JoinedStr(values=parts):
            yield "".join(re.escape(node.value) if isinstance(node, ast.Constant) else "[a-z]+" for node in parts)
        case ast.IfExp(body=one, orelse=other):
            yield from (*patterns(one), *patterns(other))


CODES = [*(code for node in NODES for code in given(node)), *DEFAULTS]
USED = sorted({found for code in CODES for found in patterns(code) if found.islower()})  # MLflow's shout


def test_the_scan_finds_each_way_in_which_a_code_is_given():
    # Diagnostic(), failure(), _RefusedError(), a problem as a tuple, a table, a default, an f-string
    for code in ("kind-unknown", "not-a-workspace", "yaml-empty", "yaml-tag", "disk-full", "builder-cannot"):
        assert re.escape(code) in USED


@pytest.mark.parametrize("code", USED)
def test_every_code_has_a_page(code):
    assert [page for page in load_pages() if re.fullmatch(code, page)], f"docs/diagnostics.md has no section ## {code}"


@pytest.mark.parametrize("page", load_pages().values(), ids=load_pages().keys())
def test_every_page_is_of_a_code_in_use(page: ExplainPage):
    assert [code for code in USED if re.fullmatch(code, page.code)], f"nothing says {page.code} any more"


@pytest.mark.parametrize("page", load_pages().values(), ids=load_pages().keys())
def test_a_page_says_what_is_wrong_shows_it_and_cures_it(page: ExplainPage):
    paragraphs = page.body.split("\n\n")
    assert page.meaning.endswith(".")
    assert len(page.summary) <= 120  # a line of `mlgit explain`
    assert "```" in page.body
    assert paragraphs[-1].startswith("Fix:")


def test_the_pages_are_in_the_order_of_the_alphabet():
    assert list(load_pages()) == sorted(load_pages())
