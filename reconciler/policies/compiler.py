"""Compile the expressions of policies: what they are to those who evaluate them, and what can be wrong with one.

Imported by name, with the first expression: what compiles. Policies that are built in need none of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from reconciler.model import Json

ACTION_VARIABLES = ("action", "asset", "live", "candidate")
VARIABLES = (*ACTION_VARIABLES, "plan")


class ExpressionProblem(NamedTuple):
    """What is wrong with an expression; line and column are within it, from 1, or 0 for the whole expression."""

    line: int
    column: int
    message: str
    hint: str = ""


class InvalidExpressionError(Exception):
    """An expression that cannot be compiled."""

    def __init__(self, problems: tuple[ExpressionProblem, ...]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class EvaluationError(Exception):
    """An expression has no value for an action, such as one that names a field which is not there."""


class Expression(Protocol):
    """A compiled expression."""

    @property
    def variables(self) -> frozenset[str]:
        """The names of the variables that it uses."""
        ...

    def is_true(self, values: Mapping[str, Json]) -> bool:
        """Return the value of the expression; raise EvaluationError if it has none, or is no boolean.

        The values are those that ``json.loads`` makes: the library knows no other lists and mappings.
        """
        ...


def compile_expression(text: str) -> Expression:
    """Return the compiled expression; raise InvalidExpressionError, or UserError if the library is not installed."""
    expression: Expression = _expressions().compile_expression(text)
    return expression


def check_expression(text: str) -> None:
    """Raise as ``compile_expression``."""
    _expressions().check_expression(text)


def _expressions() -> Any:
    return importlib.import_module("reconciler.policies.expressions")
