"""Every diagnostic code has a page in docs/diagnostics.md and vice versa; codes are read from the syntax tree."""

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


def code_parameters(node: ast.AST) -> Iterator[tuple[str, int, ast.expr | None]]:
    """Yield name, index of the parameter ``code`` and its default, of classes and functions that take a code."""
    if isinstance(node, ast.ClassDef):
        fields = [child.target.id for child in node.body if isinstance(child, ast.AnnAssign)]
        if "code" in fields:
            yield node.name, fields.index("code"), None
        for child in node.body:
            if isinstance(child, ast.FunctionDef) and child.name == "__init__":
                yield from ((node.name, index, default) for _, index, default in code_parameters(child))
    if isinstance(node, ast.FunctionDef) and not node.decorator_list:  # a command takes a code from the user
        names = [arg.arg for arg in node.args.args if arg.arg != "self"]
        if "code" in names:
            defaults = dict(zip(reversed(names), reversed(node.args.defaults), strict=False))
            yield node.name, names.index("code"), defaults.get("code")


CODE_INDICES = {name: index for node in NODES for name, index, _ in code_parameters(node)}
DEFAULTS = [default for node in NODES for _, _, default in code_parameters(node) if default is not None]


def code_arguments(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the arguments for ``code`` of a call."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in CODE_INDICES:
            yield from node.args[CODE_INDICES[name] : CODE_INDICES[name] + 1]
            yield from (keyword.value for keyword in node.keywords if keyword.arg == "code")


CONSTANTS = {
    node.targets[0].id: node.value.value
    for node in NODES
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant)
    if isinstance(node.value.value, str) and re.fullmatch("[a-z]+(-[a-z]+)+", node.value.value)
}


def code_patterns(code: ast.expr) -> Iterator[str]:
    """Yield the codes that an expression can be, as regular expressions; none for a parameter."""
    match code:
        case ast.Constant(value=str(text)):
            yield re.escape(text)
        case ast.JoinedStr(values=parts):
            yield "".join(re.escape(node.value) if isinstance(node, ast.Constant) else "[a-z]+" for node in parts)
        case ast.Name(id=name) if name in CONSTANTS:
            yield re.escape(CONSTANTS[name])
        case ast.IfExp(body=one, orelse=other):
            yield from (*code_patterns(one), *code_patterns(other))


CODES = [*(code for node in NODES for code in code_arguments(node)), *DEFAULTS]
# The codes of MLflow's errors are in upper case.
USED = sorted({pattern for code in CODES for pattern in code_patterns(code) if pattern.islower()})


def test_the_scan_finds_codes_in_all_forms():
    # Diagnostic(), user_error(), an error class, a method, a default, an f-string
    for code in ("kind-unknown", "not-a-workspace", "yaml-empty", "yaml-tag", "disk-full", "builder-cannot"):
        assert re.escape(code) in USED


@pytest.mark.parametrize("code", USED)
def test_every_code_has_a_page(code):
    assert [page for page in load_pages() if re.fullmatch(code, page)], f"docs/diagnostics.md has no section ## {code}"


@pytest.mark.parametrize("page", load_pages().values(), ids=load_pages().keys())
def test_every_page_has_a_code_in_use(page: ExplainPage):
    assert [code for code in USED if re.fullmatch(code, page.code)], f"no diagnostic has the code {page.code}"


@pytest.mark.parametrize("page", load_pages().values(), ids=load_pages().keys())
def test_a_page_has_a_meaning_an_example_and_a_cure(page: ExplainPage):
    paragraphs = page.body.split("\n\n")
    assert page.meaning.endswith(".")
    assert len(page.summary) <= 120  # a line of `mlgit explain`
    assert "```" in page.body
    assert paragraphs[-1].startswith("Fix:")


def test_the_pages_are_sorted():
    assert list(load_pages()) == sorted(load_pages())
