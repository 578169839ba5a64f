"""CEL expressions: the documented subset on two implementations, limits, and errors that are never a pass."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diagnostics import UserError
from reconciler.policies import expressions
from reconciler.policies.compiler import VARIABLES, EvaluationError, InvalidExpressionError
from reconciler.policies.expressions import compile_expression

celpy = pytest.importorskip("celpy")
CASES = json.loads((Path(__file__).parent / "conformance.json").read_text("utf-8"))
TEN = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
NOTHING = dict.fromkeys(VARIABLES)


def evaluate(check, data):
    try:
        return compile_expression(check).is_true({**NOTHING, **data})
    except EvaluationError:
        return "error"


def evaluate_with_celpy(check, data):
    environment = celpy.Environment()
    program = environment.program(environment.compile(check))
    try:
        return bool(program.evaluate({name: celpy.json_to_cel(value) for name, value in data.items()}))
    except celpy.CELEvalError:
        return "error"


@pytest.mark.fast
@pytest.mark.parametrize("engine", [evaluate, evaluate_with_celpy], ids=["cel-expr-python", "cel-python"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["check"])
def test_the_documented_subset_means_the_same_in_two_implementations(case, engine):
    expected = "error" if "error" in case else case["value"]
    assert engine(case["check"], case.get("data", {})) == expected


@pytest.mark.fast
def test_the_variables_of_an_expression_are_those_it_reads_not_those_of_its_loops():
    assert compile_expression("live == null || candidate.x > 1").variables == {"live", "candidate"}
    assert compile_expression("[1].exists(candidate, candidate > 0)").variables == frozenset()
    assert compile_expression("plan.summary.changes < 3 && 'live' != ''").variables == {"plan"}


@pytest.mark.fast
@pytest.mark.parametrize(
    ("check", "position", "message"),
    [
        ("acton.key != ''", (1, 1), "there is no variable acton"),
        ("asset.name.startWith('x')", (1, 12), "there is no function startWith"),
        ("asset.name ==\n  acton.key", (2, 3), "there is no variable acton"),
        ("asset.name =! 'x'", (1, 12), "Syntax error: token recognition error at: '=!'"),
        ("asset.name ==", (1, 14), "Syntax error: mismatched input its end"),
        ("1 + 'a' == 2", (1, 3), "found no matching overload for '_+_' applied to '(int, string)'"),
        ("size(asset.name)", (0, 0), "its value is int, not true or false"),
    ],
)
def test_an_expression_that_cannot_be_compiled_is_explained_at_its_place(check, position, message):
    with pytest.raises(InvalidExpressionError) as raised:
        compile_expression(check)
    (problem,) = raised.value.problems
    assert ((problem.line, problem.column), problem.message) == (position, message)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("check", "data", "message"),
    [
        ("asset.spec.a == 1", {"asset": {"spec": {}}}, "there is no field a"),
        ("asset.spec.a == 1", {"asset": None}, "it reads a field of something that has no fields, such as null"),
        ("asset.n > 'a'", {"asset": {"n": 1}}, "the types of its values do not fit: _>_(int64, string)"),
        ("asset.n", {"asset": {"n": 1}}, "its value is int, not true or false"),
        ("asset.n > 1", {"asset": {"n": 2**70}}, "Integer value '1180591620717411303424' out of range"),
    ],
)
def test_an_expression_without_a_value_says_why(check, data, message):
    with pytest.raises(EvaluationError) as raised:
        compile_expression(check).is_true({**NOTHING, **data})
    assert str(raised.value).startswith(message)


def nested(levels):
    check = "true"
    for level in range(levels):
        check = f"{TEN}.all(x{level}, {check})"
    return check


def doubled(levels):
    check = "'" + "a" * 500 + "'"
    for level in range(levels):
        name = f"x{level}"
        check = f"[{check}].map({name}, (({name}+{name})+({name}+{name}))+(({name}+{name})+({name}+{name})))[0]"
    return f"size({check}) > 0"


def chained(seed, body, levels, end):
    return f"{seed}{f'.map(x, {body})' * levels}{end}"


HOSTILE = {
    "grown text": chained("['aaaaaaaaaaaaaaaa']", "x+x+x+x+x+x+x+x+x+x+x+x", 9, ".size() > 0"),
    "grown lists": chained("[[1]]", "x+x+x+x+x+x+x+x", 12, ".size() > 0"),
    "a comparison of shared lists": chained("[1]", "[x,x,x,x,x,x,x,x]", 20, ".all(y, y == y)"),
    "a list that is no boolean": f"dyn({chained('[1]', '[x,x,x,x,x,x,x,x]', 20, '')})",
    "loops": nested(7),
    "loops over a plan": "plan.l.all(a, plan.l.all(b, plan.l.all(c, a == b || b != c)))",
    "doubled text": doubled(4),
    "regular expression": f"plan.s.matches('{'(a*)*' * 100}b')",
    "parentheses": f"{'(' * 900}true{')' * 900}",
    "a long sum": f"1{'+1' * 900} > 0",
    "a long list": f"size([{'1,' * 900}1]) > 0",
    "lists of lists": f"{'[' * 900}{']' * 900} == []",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_expression_ends_soon_and_in_little_memory(name):
    check = HOSTILE[name]
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with suppress(InvalidExpressionError):
        evaluate(check, {"plan": {"l": list(range(1000)), "s": "a" * 10_000}})
    assert len(check) <= 2000
    assert time.process_time() - start < 1  # without the process that is ended at its limits
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(values, st.sampled_from([case["check"] for case in CASES]))
def test_whatever_the_values_are_the_result_is_true_or_false_or_an_error(value, check):
    assert evaluate(check, dict.fromkeys(VARIABLES, value)) in (True, False, "error")


@given(st.text(max_size=50))
def test_whatever_the_text_is_it_is_compiled_or_explained(text):
    problems = ()
    try:
        compile_expression(text)
    except InvalidExpressionError as error:
        problems = error.problems
    assert all(problem.message for problem in problems)


@pytest.mark.fast
def test_without_the_library_an_expression_is_an_error_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(expressions, "_LIBRARY", "reconciler.no_such_module")
    expressions._environment.cache_clear()
    with pytest.raises(UserError, match="cel-expr-python, which is not installed") as raised:
        compile_expression("true")
    expressions._environment.cache_clear()
    assert raised.value.diagnostics[0].hint == "run `pip install 'mlgit[policies]'`"


def test_the_library_is_imported_in_a_moment():
    code = "import time, sys; s = time.process_time(); import cel_expr_python.cel; print(time.process_time() - s)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert float(out) < 0.5
