"""CEL expressions: compiled once, evaluated for many actions, with the limits of cel-cpp.

The library is an extra, ``policies``; it is imported by name, with the first expression. cel-cpp ends an evaluation
after 10,000 iterations of its loops, refuses an expression that is nested more than 32 levels deep, and matches regular
expressions in linear time. It does not bound the size of values, which loops can double again and again; so what has
loops and may make or compare large values is evaluated in a process of its own, within limits of memory and time.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from reconciler.bounded_call import TooCostlyError, call_bounded
from reconciler.diagnostics import UserError, user_error
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json
from reconciler.policies.compiler import VARIABLES, EvaluationError, ExpressionProblem, InvalidExpressionError

FUNCTIONS = (
    *("all", "bool", "contains", "double", "dyn", "endsWith", "exists", "exists_one", "filter", "has", "int", "map"),
    *("matches", "size", "startsWith", "string", "timestamp", "duration", "type"),
)
_LOOP = re.compile(r"\b(?:all|exists|exists_one|existsOne|filter|map|transform\w*)\b")
_MAKING_VALUES = re.compile(r"[+\[{]|\bplan\b")
_LIBRARY = "cel_expr_python.cel"
_POSITION = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([A-Za-z_]\w*)")
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_NO_FIELD = re.compile(r'^Key not found in map : "(.*)"$')
_MEANINGS = {
    "Applying SELECT to non-message type": "it reads a field of something that has no fields, such as null",
    "No matching overloads found : ": "the types of its values do not fit: ",
    "Iteration budget exceeded": "it takes more than 10,000 iterations",
}
_SYNTAX = "Syntax error: "
_EXPECTED = re.compile(r" expecting \{.*\}$")


class CelExpression(NamedTuple):
    """A compiled expression, and the names of the variables that it uses.

    ``may_be_costly`` is True if its value may need much memory or time.
    """

    compiled: Any
    variables: frozenset[str]
    may_be_costly: bool = False

    def is_true(self, values: Mapping[str, Json]) -> bool:
        """Return the value of the expression; see ``compiler.Expression``."""
        try:
            type_name, value = (
                call_bounded(lambda: self._evaluate(values)) if self.may_be_costly else self._evaluate(values)
            )
        except (TooCostlyError, MemoryError) as error:
            raise EvaluationError("it needs more memory or time than a policy may") from error
        if type_name == "ERROR":
            raise EvaluationError(_explain_error(str(value)))
        if not isinstance(value, bool):
            raise EvaluationError(f"its value is {str(type_name).lower()}, not true or false")
        return value

    def _evaluate(self, values: Mapping[str, Json]) -> list[bool | str]:
        """Return the name of the type of the value, and the value if it is a boolean, or what is wrong."""
        try:
            result = self.compiled.eval(data={name: values[name] for name in self.variables})
            type_name = result.type().name()
            value = result.plain_value() if type_name in ("BOOL", "ERROR") else ""
        except (RuntimeError, ValueError, TypeError) as error:
            return ["ERROR", str(error)]
        return [type_name, value if isinstance(value, bool) else str(value)]


def compile_expression(text: str) -> CelExpression:
    """Return the compiled expression; raise InvalidExpressionError, or UserError if the library is not installed."""
    compiled = check_expression(text)
    variables = frozenset(name for name in VARIABLES if not _compiles_without(name, text))
    return CelExpression(compiled, variables, bool(_LOOP.search(text) and _MAKING_VALUES.search(text)))


def check_expression(text: str) -> Any:
    """Return what the library makes of an expression; raise as ``compile_expression``."""
    try:
        compiled = _environment(VARIABLES).compile(text)
    except RuntimeError as error:
        raise InvalidExpressionError(_parse_problems(text, str(error))) from error
    type_name = compiled.return_type().name()
    if type_name not in ("BOOL", "DYN"):
        raise InvalidExpressionError((ExpressionProblem(0, 0, f"its value is {type_name.lower()}, not true or false"),))
    return compiled


def _compiles_without(variable: str, text: str) -> bool:
    try:
        _environment(tuple(name for name in VARIABLES if name != variable)).compile(text)
    except RuntimeError:
        return False
    return True


@cache
def _environment(variables: tuple[str, ...]) -> Any:
    try:
        cel = importlib.import_module(_LIBRARY)
    except ImportError as error:
        raise missing_library() from error
    return cel.NewEnv(variables=dict.fromkeys(variables, cel.Type.DYN))


def _explain_error(message: str) -> str:
    """Return what the library says of an evaluation, in the words of who writes policies."""
    message = _STATUS.sub("", message)
    if match := _NO_FIELD.search(message):
        return f"there is no field {match[1]}"
    for known, meaning in _MEANINGS.items():
        message = message.replace(known, meaning)
    return message


def missing_library() -> UserError:
    """Return the error if the library is not installed: a policy is never skipped."""
    message = "policies with `check:` need cel-expr-python, which is not installed"
    return user_error("extra-missing", message, "run `pip install 'mlgit[policies]'`")


def _parse_problems(text: str, message: str) -> tuple[ExpressionProblem, ...]:
    """Return the problems that the compiler lists; one of the whole expression if it lists none."""
    found = [_make_problem(text, int(match[1]), int(match[2]), match[3]) for match in _POSITION.finditer(message)]
    syntax = [problem for problem in found if problem.message.startswith(_SYNTAX)]
    problems = syntax[:1] or found  # after a syntax error, others follow from it
    return tuple(dict.fromkeys(problems)) or (ExpressionProblem(0, 0, _STATUS.sub("", message.splitlines()[0])),)


def _make_problem(text: str, line: int, column: int, message: str) -> ExpressionProblem:
    message = _EXPECTED.sub("", _STATUS.sub("", message)).replace("(in container '')", "").strip()
    if line < 1:
        return ExpressionProblem(0, 0, message)
    match = _UNDECLARED.search(message)
    if match is None:
        return ExpressionProblem(line, column, message.replace("'<EOF>'", "its end"))
    name = match[1]
    found = re.search(rf"\b{name}\b", text.splitlines()[line - 1])  # the compiler names the place of the dot or bracket
    is_function = text.splitlines()[line - 1][found.end() :].startswith("(") if found else False
    known = FUNCTIONS if is_function else VARIABLES
    hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
    problem = f"{'there is no function' if is_function else 'there is no variable'} {name}"
    return ExpressionProblem(line, found.start() + 1 if found else column, problem, hint)
