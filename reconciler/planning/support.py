"""What the provider of an asset supports of it: the check that planning makes before it promises anything.

A provider is asked by its table, and a builder by its own check as well. What no table names is refused: an error if
this plan would have the provider realise the asset, a note elsewhere. What a provider ignores is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from reconciler.abbreviation import join_some
from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.kinds import kind_by_name
from reconciler.format.pointers import combine_pointers, find_value, split_pointer
from reconciler.format.schema_leaves import is_default_value
from reconciler.model import Address, Asset, Json
from reconciler.model.assets import EMPTY_MAPPING
from reconciler.model.support import (
    EntryTree,
    Honoured,
    Ignored,
    IgnoredField,
    IsDefault,
    NotedField,
    Support,
    UnsupportedField,
    compare_with_support,
    make_entry_tree,
)
from reconciler.planning.builders import BuilderCandidates, backends_of_users, choose_builders
from reconciler.planning.environments import ENVIRONMENT_POINTER
from reconciler.planning.subjects import Subject

IGNORED = "field-ignored"
_MAX_FIELDS, _MAX_PLACES = 5, 10  # in a message
_DEPLOYS_NOTHING = "mlgit deploys no models yet"
_NO_EXPIRY = "nothing is deleted by age"

# What mlgit registers itself, without a builder or a backend.
OWN_SUPPORT = Support(
    honoured={
        "data": (Honoured("/type"), Honoured("/path")),
        "model": (Honoured("/type"), Honoured("/path"), Honoured("/stage"), Honoured("/flavors")),
        "component": (Honoured("/*"),),
    },
    ignored={
        "data": (Ignored("/auto_delete_setting", _NO_EXPIRY),),
        "model": (
            Ignored("/system_metadata", _DEPLOYS_NOTHING),
            Ignored("/default_deployment_template", _DEPLOYS_NOTHING),
            Ignored("/allowed_deployment_templates", _DEPLOYS_NOTHING),
        ),
        "component": (Ignored("/auto_delete_setting", _NO_EXPIRY),),
        "workspace": (Ignored("/*", "the workspace is this repository, and nothing is made in Azure", is_usual=True),),
    },
)


class SupportProblem(NamedTuple):
    """What a provider cannot do with an asset, and the JSON pointer of the part of the spec that says it.

    ``pointers`` are those of the other values with the same problem. It is not ``is_certain`` if another machine may be
    able to do it. With ``settings`` in mlgit.yml, the provider would be able to.
    """

    pointer: str
    code: str
    message: str
    hint: str
    is_certain: bool = True
    pointers: tuple[str, ...] = ()
    settings: Mapping[str, Json] = EMPTY_MAPPING


class SupportNote(NamedTuple):
    """What a provider does otherwise than an asset says, without harm, and the JSON pointers of what says it.

    ``is_usual`` as of ``Ignored``.
    """

    text: str
    pointers: tuple[str, ...]
    is_usual: bool = True


class SupportReport(NamedTuple):
    """What the provider of an asset cannot do with it, and what it ignores; ``provider`` is its name in messages.

    ``ignored`` can have fields with their default values. ``notes`` are what it does otherwise. ``environment`` is what
    a builder says of the environment that a job writes itself; what it cannot do is among the problems. ``candidates``
    are the builders of an environment, ``by_builder`` what each of them says.
    """

    provider: str = ""
    problems: tuple[SupportProblem, ...] = ()
    ignored: tuple[IgnoredField, ...] = ()
    notes: tuple[SupportNote, ...] = ()
    environment: SupportReport | None = None
    candidates: BuilderCandidates = BuilderCandidates()
    by_builder: Mapping[str, SupportReport] = EMPTY_MAPPING


SupportCheck = Callable[[Asset, bool], SupportReport]
"""Asks the provider of an asset what it supports: by its table alone, or also by its own check, which can be slow."""


def no_support_check(_asset: Asset, _asks_provider: bool) -> SupportReport:  # noqa: FBT001 - a SupportCheck
    """Return that there is nothing to report, without asking a provider."""
    return SupportReport()


@cache
def table_entries(kind: str, support: Support, unmet: frozenset[Honoured | Ignored] = frozenset()) -> EntryTree:
    """Return what a table says of a kind, with the fields of the kind that ask nothing of a provider.

    The entries that are ``unmet`` are left out.
    """
    descriptive = map(Honoured, sorted(kind_by_name(kind).descriptive_fields))
    return make_entry_tree((*descriptive, *(entry for entry in support.entries(kind) if entry not in unmet)))


def check_support(asset: Asset, support: Support, provider: str, remedy: str) -> SupportReport:
    """Return what a table says of an asset; ``remedy`` is what else can be done than to change the file."""
    kind = asset.address.kind
    entries = table_entries(kind, support, support.unmet_entries(kind, asset.spec))
    fields = tuple(compare_with_support(asset.spec, entries, _default_check(asset)))
    problems = (_unsupported_problem(item, provider, remedy) for item in fields if isinstance(item, UnsupportedField))
    ignored = tuple(item for item in fields if isinstance(item, IgnoredField))
    notes = (SupportNote(item.entry.note, (item.pointer,)) for item in fields if isinstance(item, NotedField))
    return SupportReport(provider, tuple(problems), ignored, tuple(notes))


def _default_check(asset: Asset) -> IsDefault:
    """Return a function that compares fields of an asset with the defaults of its schema."""
    kind = kind_of(asset)
    type_name = str(asset.spec.get("type") or "command") if kind.is_runnable else ""

    def is_default(pointer: str, value: Json) -> bool:
        return is_default_value(kind.name, type_name, pointer, value)

    return is_default


def _unsupported_problem(item: UnsupportedField, provider: str, remedy: str) -> SupportProblem:
    first, *others = item.leaves
    message = f"{provider} does not support {field_name(item.pointer)}"
    change = "remove it"
    if item.entry and item.entry.values:
        message, change = f"{message}: {item.value}", f"write {' or '.join(item.entry.values)}"
        if condition := item.entry.when:
            message += f" if {field_name(condition.pointer)} is {condition.value}"
        if item.entry.reason:
            change += f" ({item.entry.reason})"
    return SupportProblem(first, "not-supported", message, f"{change}, or {remedy}", pointers=tuple(others))


def field_name(pointer: str) -> str:
    """Return how a field is named in a message: ``resources.instance_count``."""
    return ".".join(split_pointer(pointer))


def with_own_problems(report: SupportReport, problems: Iterable[SupportProblem], provider: str) -> SupportReport:
    """Return a report with what the provider itself finds; it says more of a field than the table."""
    of_table = {_first_key(problem): problem for problem in report.problems}
    own = []
    for problem in problems:
        same = of_table.pop(_first_key(problem), None)
        pointers = (same.pointer, *same.pointers) if same else ()
        own.append(problem._replace(pointers=tuple(pointer for pointer in pointers if pointer != problem.pointer)))
    return report._replace(provider=provider, problems=(*own, *of_table.values())) if own else report


def with_own_notes(report: SupportReport, notes: Iterable[SupportNote]) -> SupportReport:
    """Return a report with the notes of the provider itself; about an ignored field, a note is the reason."""
    ignored, own = {item.pointer: item for item in report.ignored}, []
    for note in notes:
        first = note.pointers[0]
        item = ignored.get(first)
        if item is None or item.entry.reason == note.text:
            own.append(note)
        else:
            ignored[first] = item._replace(entry=item.entry._replace(reason=note.text, is_usual=note.is_usual))
    return report._replace(ignored=tuple(ignored.values()), notes=tuple(own))


def _first_key(problem: SupportProblem) -> str:
    return "".join(split_pointer(problem.pointer)[:1])


def with_environment_report(report: SupportReport, environment: SupportReport, job: Asset) -> SupportReport:
    """Return the report on a job with that on its environment, at the pointers of the job.

    Of an environment of a registry, which the job only names, just what cannot be done matters to its author.
    """
    is_written_here = isinstance(find_value(job.spec, split_pointer(ENVIRONMENT_POINTER)), Mapping)

    def locate(pointer: str) -> str:
        return f"{ENVIRONMENT_POINTER}{pointer}" if is_written_here else ENVIRONMENT_POINTER

    problems = (
        item._replace(pointer=locate(item.pointer), pointers=tuple(map(locate, item.pointers)))
        for item in environment.problems
    )
    ignored = (item._replace(pointer=locate(item.pointer)) for item in environment.ignored if is_written_here)
    notes = (item._replace(pointers=tuple(map(locate, item.pointers))) for item in environment.notes if is_written_here)
    nested = environment._replace(problems=(), ignored=tuple(ignored), notes=tuple(notes))
    return report._replace(problems=(*report.problems, *problems), environment=nested)


def problem_diagnostics(
    declared: AssetSet, subject: Subject, problems: Iterable[SupportProblem], severity: Severity
) -> Iterator[Diagnostic]:
    """Yield what a provider cannot do, at the lines that say it; no error if another machine may be able to do it."""
    for problem in problems:
        span, *places = (subject.span(declared, pointer) for pointer in (problem.pointer, *problem.pointers))
        own = severity if problem.is_certain else max(severity, Severity.WARNING, key=list(Severity).index)
        message = f"{subject.asset.address}: {problem.message}"
        others = tuple(place for place in dict.fromkeys(places) if place != span)
        yield Diagnostic(problem.code, message, span, problem.hint, own, others)


def ignored_diagnostics(declared: AssetSet, subject: Subject, report: SupportReport) -> Iterator[Diagnostic]:
    """Yield a warning for each reason for which a provider ignores fields of an asset, but of what is usual."""
    if report.environment:
        yield from ignored_diagnostics(declared, subject, report.environment)
    asset = subject.asset
    unusual = [item for item in report.ignored if not item.entry.is_usual]
    for reason, pointers in _ignored_by_reason(asset, unusual).items():
        span, *places = (subject.span(declared, pointer) for pointer in pointers)
        names = _join_field_names(asset, pointers)
        message = f"{asset.address}: {report.provider} does not use {names}: {reason}"
        yield Diagnostic("field-ignored", message, span, severity=Severity.WARNING, places=tuple(dict.fromkeys(places)))


def support_notes(
    declared: AssetSet, subjects: Iterable[Subject], check: SupportCheck, config: Config
) -> Iterator[str]:
    """Yield notes of a plan on what providers ignore of assets or do otherwise, with positions; equal ones as one."""
    places: dict[tuple[str, str], dict[Address, list[Span]]] = {}
    for subject in subjects:
        asset = subject.asset
        reports = _reports_of_builders(declared, asset, check(asset, True), config)
        for text, reason, pointers in (part for report in reports for part in _note_parts(asset, report)):
            spans = [subject.span(declared, pointer) for pointer in pointers]
            places.setdefault((text, reason), {}).setdefault(asset.address, []).extend(spans)
    for (text, reason), by_address in places.items():
        addresses = join_some(list(map(str, by_address)))
        spans = list(dict.fromkeys(span for spans in by_address.values() for span in spans))
        positions = [_format_span(spans, index) for index in range(len(spans))]
        yield f"{addresses}: {text} ({join_some(positions, _MAX_PLACES)}){reason}"


def _reports_of_builders(
    declared: AssetSet, asset: Asset, report: SupportReport, config: Config
) -> Iterator[SupportReport]:
    """Yield what the builders of a declared environment say, those that its jobs need; else the report itself."""
    backends = backends_of_users(declared, asset.address, config) if report.candidates.has_choice else ()
    choices = choose_builders(report.candidates, filter(None, backends))
    yield from [report.by_builder[choice.builder] for choice in choices] or [report]


def _note_parts(asset: Asset, report: SupportReport) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield the notes of a report: what comes before the positions, what comes after them, and the pointers."""
    for reason, pointers in _ignored_by_reason(asset, report.ignored).items():
        names = _join_field_names(asset, pointers)
        yield f"{report.provider} does not use {names}", f": {reason}", pointers
    for note in report.notes:
        yield note.text, "", note.pointers
    if report.environment:
        yield from _note_parts(asset, report.environment)


def _join_field_names(asset: Asset, pointers: Sequence[str]) -> str:
    """Return how fields are named in a message; a field all of whose parts are meant is named alone."""
    return join_some(list(map(field_name, combine_pointers(asset.spec, pointers))), _MAX_FIELDS)


def _format_span(spans: Sequence[Span], index: int) -> str:
    """Return a position, without its path if that is the path of the position before."""
    span = spans[index]
    return f"{span.line}:{span.column}" if index and spans[index - 1].path == span.path else str(span)


def _ignored_by_reason(asset: Asset, ignored: Iterable[IgnoredField]) -> Mapping[str, list[str]]:
    """Return the pointers of the fields that are ignored and not at their defaults, by the reason."""
    is_default = _default_check(asset)
    by_reason: dict[str, list[str]] = {}
    for item in ignored:
        if not is_default(item.pointer, find_value(asset.spec, split_pointer(item.pointer))):
            by_reason.setdefault(item.entry.reason, []).append(item.pointer)
    return by_reason
