"""The files in policies/ as policies and waivers, with everything that is wrong in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.diagnostics import Diagnostic, Severity, Span, has_errors
from reconciler.format.document import Document
from reconciler.format.kinds import kinds
from reconciler.format.pointers import join_pointer
from reconciler.format.schemas import check_against_schema
from reconciler.format.suggest import did_you_mean
from reconciler.model import EMPTY_MAPPING, Json, Op
from reconciler.policies.built_in import BUILT_IN, NOT_KNOWN_YET
from reconciler.policies.compiler import ExpressionProblem, InvalidExpressionError, check_expression
from reconciler.policies.policy import POLICY_SCHEMA, Policy, PolicySet, Scope, Waiver
from reconciler.timestamps import is_date

_GLOB_CHARACTERS = frozenset("*?[")
_ADDRESS_HINT = "an address is KIND/NAME, such as model/iris; a glob such as model/* is fine too"


def parse_policy_files(documents: Iterable[Document]) -> tuple[PolicySet, tuple[Diagnostic, ...]]:
    """Return the policies and waivers of the files that are right, and what is wrong in the others."""
    policies: list[Policy] = []
    waivers: list[Waiver] = []
    diagnostics: list[Diagnostic] = []
    for document in documents:
        problems = tuple(check_policy_file(document))
        diagnostics += problems
        if not has_errors(problems):
            policies += _parse_policies(document)
            waivers += _parse_waivers(document)
    return PolicySet(tuple(policies), tuple(waivers)), tuple(diagnostics)


def check_policy_file(document: Document) -> Iterator[Diagnostic]:
    """Yield what is wrong in one file by itself; raise UserError if its expressions cannot be compiled here."""
    diagnostics = check_against_schema(document, POLICY_SCHEMA)
    yield from diagnostics
    if has_errors(diagnostics):
        return
    for index, policy in enumerate(document.data.get("policies", ())):
        pointer = ("policies", index)
        yield from _check_form(document, policy, pointer)
        yield from _check_scope(document, policy.get("for", EMPTY_MAPPING), (*pointer, "for"))
        if "check" in policy:
            yield from _check_expression(document, policy["check"], join_pointer(*pointer, "check"))
    for index, waiver in enumerate(document.data.get("waivers", ())):
        yield from _check_address(document, waiver["for"], ("waivers", index, "for"))
        if not is_date(waiver["until"]):
            span = document.value_span(join_pointer("waivers", index, "until"))
            yield _invalid(f"there is no day {waiver['until']}", span, "write a date such as 2026-12-31")


def check_across_files(policy_set: PolicySet) -> Iterator[Diagnostic]:
    """Yield the names that two policies have, and the waivers of policies that do not exist."""
    by_name: dict[str, Policy] = {}
    for policy in policy_set.policies:
        first = by_name.setdefault(policy.name, policy)
        if first is not policy:
            yield _invalid(
                f"there is another policy {policy.name} at {first.span}", policy.span, "give it another name"
            )
    for waiver in policy_set.waivers:
        if waiver.policy not in by_name:
            hint = did_you_mean(waiver.policy, by_name) or f"policies: {', '.join(sorted(by_name)) or 'none'}"
            yield _invalid(f"there is no policy {waiver.policy}", waiver.span, hint)


def _invalid(message: str, span: Span, hint: str = "") -> Diagnostic:
    return Diagnostic("policy-invalid", message, span, hint)


def _check_form(document: Document, policy: Mapping[str, Json], pointer: Sequence[str | int]) -> Iterator[Diagnostic]:
    """Yield a policy that is neither an expression nor built in, or both, or that is built in and not known."""
    span, uses = document.value_span(join_pointer(*pointer, "name")), str(policy.get("uses", ""))
    if ("check" in policy) == bool(uses):
        problem = "has both check: and uses:" if uses else "has neither check: nor uses:"
        yield _invalid(f"the policy {policy['name']} {problem}", span, "write one of them")
    elif not uses and "message" not in policy:
        yield _invalid(f"the policy {policy['name']} has no message:", span, "say what is wrong if the check fails")
    if "with" in policy and not uses:
        yield _invalid("with: goes with uses:", document.key_span(join_pointer(*pointer, "with")), "remove it")
    uses_span = document.value_span(join_pointer(*pointer, "uses"))
    if uses in NOT_KNOWN_YET:
        message = f"{uses} is not known yet: plans do not hold {NOT_KNOWN_YET[uses]} in this version of mlgit"
        yield _invalid(message, uses_span, "remove the policy until then")
    elif uses and uses not in BUILT_IN:
        hint = did_you_mean(uses, BUILT_IN) or f"there are {', '.join(sorted(BUILT_IN))}"
        yield _invalid(f"no policy {uses} is built in", uses_span, hint)


def _check_scope(document: Document, scope: Mapping[str, Json], pointer: Sequence[str | int]) -> Iterator[Diagnostic]:
    for key, known in (("kinds", tuple(kinds())), ("actions", tuple(map(str, Op)))):
        for index, name in enumerate(scope.get(key, ())):
            if name not in known:
                span = document.value_span(join_pointer(*pointer, key, index))
                hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
                yield _invalid(f"there is no {key.removesuffix('s')} {name}", span, hint)
    for index, address in enumerate(scope.get("addresses", ())):
        yield from _check_address(document, address, (*pointer, "addresses", index))


def _check_address(document: Document, address: str, pointer: Sequence[str | int]) -> Iterator[Diagnostic]:
    kind, slash, _ = address.partition("/")
    if _GLOB_CHARACTERS & set(kind) or (slash and kind in kinds()):
        return
    hint = did_you_mean(kind, kinds()) if slash else _ADDRESS_HINT
    yield _invalid(f"{address} is no address", document.value_span(join_pointer(*pointer)), hint or _ADDRESS_HINT)


def _check_expression(document: Document, text: str, pointer: str) -> Iterator[Diagnostic]:
    try:
        check_expression(text)
    except InvalidExpressionError as error:
        for problem in error.problems:
            span = _problem_span(document, text, pointer, problem)
            yield _invalid(f"the expression is wrong: {problem.message}", span, problem.hint)


def _problem_span(document: Document, text: str, pointer: str, problem: ExpressionProblem) -> Span:
    """Return where a problem of an expression stands in its file; of one that is folded, where the value begins."""
    start = document.value_span(pointer)
    line = text.splitlines()[problem.line - 1] if problem.line else ""
    if not line:
        return start
    for offset, source in enumerate(document.text.splitlines()[start.line - 1 :]):
        column = source.find(line, start.column - 1 if not offset else 0)
        if column >= 0:
            return Span(start.path, start.line + offset, column + problem.column)
    return start


def _parse_policies(document: Document) -> Iterator[Policy]:
    for index, data in enumerate(document.data.get("policies", ())):
        uses, given = data.get("uses", ""), data.get("for", EMPTY_MAPPING)
        usual = BUILT_IN[uses].scope if uses else Scope()
        yield Policy(
            data["name"],
            document.value_span(join_pointer("policies", index, "name")),
            Severity(data.get("severity", "error")),
            Scope(*(tuple(given.get(name, getattr(usual, name))) for name in Scope._fields)),
            data.get("check", ""),
            data.get("message", ""),
            uses,
            data.get("with", EMPTY_MAPPING),
        )


def _parse_waivers(document: Document) -> Iterator[Waiver]:
    for index, data in enumerate(document.data.get("waivers", ())):
        span = document.value_span(join_pointer("waivers", index, "policy"))
        yield Waiver(data["policy"], data["for"], data["reason"], data["until"], span)
