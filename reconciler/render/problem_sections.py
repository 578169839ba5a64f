"""Render diagnostics as sections of a page of Markdown: errors, what policies say, warnings, then notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from reconciler.abbreviation import pluralize
from reconciler.diagnostics import Diagnostic, Severity, Span, place_in_message
from reconciler.render.markdown_page import Section
from reconciler.render.markdown_text import code_block, code_span, escape_markdown, join_code, link
from reconciler.render.plan_sections import PageStyle

_POLICY = "policy-"  # the codes of policies start so
_MAX_PLACES = 3
_MAX_EXAMPLE_LINES = 12
_NOUNS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def problem_counts(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the number of errors and warnings: ``2 errors, 1 warning``; "" if there are none."""
    counts = Counter(diagnostic.severity for diagnostic in diagnostics)
    return ", ".join(
        pluralize(counts[severity], _NOUNS[severity])
        for severity in (Severity.ERROR, Severity.WARNING)
        if counts[severity]
    )


def problem_sections(diagnostics: Sequence[Diagnostic], files: str, style: PageStyle) -> Iterator[Section]:
    """Yield the diagnostics, the worst first; ``files`` is the URL that paths follow, "" if unknown."""
    policies = [diagnostic for diagnostic in diagnostics if diagnostic.code.startswith(_POLICY)]
    others = [diagnostic for diagnostic in diagnostics if not diagnostic.code.startswith(_POLICY)]
    for severity, rank in ((Severity.ERROR, 0), (Severity.WARNING, 4), (Severity.NOTE, 12)):
        found = [diagnostic for diagnostic in others if diagnostic.severity is severity]
        title = f"{_NOUNS[severity].capitalize()}s" if severity is not Severity.NOTE else pluralize(len(found), "note")
        items = tuple(problem_item(diagnostic, files) for diagnostic in found)
        unfolded = style.hidden if severity is Severity.NOTE else style.unfolded
        yield Section(title, items, _NOUNS[severity], rank=rank, share=0.3, unfolded=unfolded)
        if severity is Severity.ERROR:
            yield _policy_section(policies, files, style)


def _policy_section(diagnostics: Sequence[Diagnostic], files: str, style: PageStyle) -> Section:
    ranks = {severity: place for place, severity in enumerate(_NOUNS)}
    worst_first = sorted(diagnostics, key=lambda diagnostic: ranks[diagnostic.severity])
    items = tuple(problem_item(diagnostic, files, f"**{diagnostic.severity}** ") for diagnostic in worst_first)
    return Section("Policies", items, "result", rank=1, share=0.2, unfolded=style.unfolded)


def problem_item(diagnostic: Diagnostic, files: str, label: str = "") -> str:
    """Return a diagnostic as an item of a list: where, what is wrong, what to do, its code."""
    diagnostic = place_in_message(diagnostic)
    place = f"{_place_link(diagnostic.span, files)}: " if diagnostic.span else ""
    hint = f"; {escape_markdown(diagnostic.hint.splitlines()[0])}" if diagnostic.hint else ""
    also = f", also at {join_code(list(map(str, diagnostic.places)), _MAX_PLACES)}" if diagnostic.places else ""
    line = f"- {label}{place}{escape_markdown(diagnostic.message)}{hint} ({code_span(diagnostic.code)}){also}"
    example = [*diagnostic.hint.splitlines()[1:], *diagnostic.example][:_MAX_EXAMPLE_LINES]
    return "\n".join((line, *_indent(code_block(example)))) if example else line


def _indent(block: str) -> Iterator[str]:
    yield from (f"  {line}" for line in block.splitlines())


def _place_link(span: Span, files: str) -> str:
    """Return a position, as a link to its line if that is a file of the repository."""
    label, names = code_span(str(span)), span.path.split("/")
    if not files or span.is_option or not all(name.strip(".") for name in names):
        return label
    return link(label, f"{files}{quote(span.path, errors='surrogateescape')}#L{span.line}")
