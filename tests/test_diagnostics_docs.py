"""Every diagnostic code has a page in docs/diagnostics.md and vice versa; codes are read from the syntax tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeGuard

import pytest

from reconciler.render.explain_pages import ExplainPage, load_pages

PACKAGE = Path(__file__).parent.parent / "reconciler"


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


def code_arguments(node: ast.AST, indices: Mapping[str, int]) -> Iterator[ast.expr]:
    """Yield the arguments for ``code`` of a call of what has it at these indices."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in indices:
            yield from node.args[indices[name] : indices[name] + 1]
            yield from (keyword.value for keyword in node.keywords if keyword.arg == "code")


def is_code_constant(node: ast.AST) -> TypeGuard[ast.Assign]:
    """Return True for a name that is given a code."""
    if not isinstance(node, ast.Assign):
        return False
    target, value = node.targets[0], node.value
    is_text = isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str)
    return is_text and re.fullmatch("[a-z]+(-[a-z]+)+", value.value) is not None


def code_patterns(code: ast.expr, constants: Mapping[str, str]) -> Iterator[str]:
    """Yield the codes that an expression can be, as regular expressions; none for a parameter."""
    match code:
        case ast.Constant(value=str(text)):
            yield re.escape(text)
        case ast.JoinedStr(values=parts):
            yield "".join(re.escape(node.value) if isinstance(node, ast.Constant) else "[a-z]+" for node in parts)
        case ast.Name(id=name) if name in constants:
            yield re.escape(constants[name])
        case ast.IfExp(body=one, orelse=other):
            yield from (*code_patterns(one, constants), *code_patterns(other, constants))


@pytest.fixture(scope="module")
def used() -> list[str]:
    """Return the codes that are in use, as regular expressions."""
    paths = sorted(PACKAGE.rglob("*.py"))
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    parameters = [parameter for node in nodes for parameter in code_parameters(node)]
    indices = {name: index for name, index, _ in parameters}
    constants = {node.targets[0].id: node.value.value for node in nodes if is_code_constant(node)}
    codes = [code for node in nodes for code in code_arguments(node, indices)]
    codes += [default for _, _, default in parameters if default is not None]
    # The codes of MLflow's errors are in upper case.
    return sorted({pattern for code in codes for pattern in code_patterns(code, constants) if pattern.islower()})


def test_the_scan_finds_codes_in_all_forms(used):
    # Diagnostic(), user_error(), an error class, a method, a default, an f-string
    for code in ("kind-unknown", "not-a-workspace", "yaml-empty", "yaml-tag", "disk-full", "builder-cannot"):
        assert re.escape(code) in used


def test_every_code_has_a_page(used):
    missing = [code for code in used if not any(re.fullmatch(code, page) for page in load_pages())]
    assert missing == [], "docs/diagnostics.md has no section on them"


def test_every_page_has_a_code_in_use(used):
    known = re.compile("|".join(used))
    assert [page for page in load_pages() if not known.fullmatch(page)] == [], "no diagnostic has the code"


@pytest.mark.parametrize("page", load_pages().values(), ids=load_pages().keys())
def test_a_page_has_a_meaning_an_example_and_a_cure(page: ExplainPage):
    paragraphs = page.body.split("\n\n")
    assert page.meaning.endswith(".")
    assert len(page.summary) <= 120  # a line of `mlgit explain`
    assert "```" in page.body
    assert paragraphs[-1].startswith("Fix:")


def test_the_pages_are_sorted():
    assert list(load_pages()) == sorted(load_pages())
