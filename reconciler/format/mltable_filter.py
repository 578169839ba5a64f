"""The expressions of ``filter:`` in a file MLTable, as values: ``col("age") > 30 and col("city") == "Oslo"``.

They are expressions of Python for mltable too, which evaluates them; here they are parsed and never evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from reconciler.model import Json

_MAX_LENGTH = 2_000
_COMPARISONS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_MAX_DATE_PARTS, _MIN_DATE_PARTS = 6, 3


class FilterError(Exception):
    """An expression cannot be used; the text says why."""


def parse_filter(text: str) -> Json:
    """Return an expression as nested lists, whose first item says what it is.

    These are ``["col", name]``, ``["value", value]``, ``["datetime", [year, month, day, ...]]``, ``["not", item]``,
    ``["and", items]``, ``["or", items]``, and ``[operator, left, right]``. Raises FilterError.
    """
    if len(text) > _MAX_LENGTH:
        raise FilterError(f"it has more than {_MAX_LENGTH} characters")
    try:
        return _convert(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError as error:
        raise FilterError(f"it is no expression: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise FilterError("it is no expression, or too deeply nested") from error


def _convert(node: ast.expr) -> Json:
    convert = _CONVERTERS.get(type(node))
    if convert is None:
        raise FilterError(f"{_source(node)} is not supported in a filter")
    return convert(node)


def _source(node: ast.AST) -> str:
    return ast.unparse(node)


def _boolean(node: ast.BoolOp) -> Json:
    return ["and" if isinstance(node.op, ast.And) else "or", [_convert(value) for value in node.values]]


def _unary(node: ast.UnaryOp) -> Json:
    if isinstance(node.op, ast.Not):
        return ["not", _convert(node.operand)]
    operand = node.operand
    if isinstance(node.op, ast.USub) and isinstance(operand, ast.Constant) and type(operand.value) in (int, float):
        return ["value", -operand.value]  # type: ignore[operator]
    raise FilterError(f"{_source(node)} is not supported in a filter")


def _compare(node: ast.Compare) -> Json:
    operator = _COMPARISONS.get(type(node.ops[0]))
    if len(node.ops) > 1:
        raise FilterError(f"{_source(node)} is two comparisons: join them with and")
    if operator is None:
        raise FilterError(f"{_source(node)} is not supported in a filter")
    return [operator, _convert(node.left), _convert(node.comparators[0])]


def _arithmetic(node: ast.BinOp) -> Json:
    operator = _OPERATORS.get(type(node.op))
    if operator is None:
        raise FilterError(f"{_source(node)} is not supported in a filter: write and, or, not in words")
    return [operator, _convert(node.left), _convert(node.right)]


def _constant(node: ast.Constant) -> Json:
    if isinstance(node.value, bool | int | float | str):
        return ["value", node.value]
    raise FilterError(f"{_source(node)} is not supported in a filter")


def _call(node: ast.Call) -> Json:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    arguments = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    if len(arguments) < len(node.args) or node.keywords:
        name = ""
    if name == "col" and len(arguments) == 1 and isinstance(arguments[0], str):
        return ["col", arguments[0]]
    are_integers = all(type(argument) is int for argument in arguments)
    if name == "datetime" and are_integers and _MIN_DATE_PARTS <= len(arguments) <= _MAX_DATE_PARTS:
        return ["datetime", arguments]
    raise FilterError(f"{_source(node)} is not supported in a filter")


_CONVERTERS: dict[type[ast.expr], Callable[..., Json]] = {
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BinOp: _arithmetic,
    ast.Constant: _constant,
    ast.Call: _call,
}
