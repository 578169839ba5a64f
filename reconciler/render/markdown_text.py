"""Write text of others as Markdown that shows this text and nothing else.

GitHub and GitLab make links of more than Markdown has syntax for: web addresses, @mentions, numbers of issues, commits,
`:emoji:`. They do so after they have read escapes and entities; only in code they do nothing. So a word that could
become a link is written as code, and in all other words the syntax is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote

from reconciler.abbreviation import abbreviate_text
from reconciler.render.sanitize import sanitize_line

_SYNTAX = re.compile(r"([\\`*_\[\]<#|~&!])")
_BLOCK_START = re.compile(r"^([-+=>]|\d+(?=[.)]))")  # of a list or a quote, or the line under a heading
_LINKED = re.compile(
    r"""@ | :// | \bwww\. | \b(?:mailto|xmpp): | \$ | [#!%~&][\w"] | \bGH-\d | :[\w+-]+: | \b[0-9a-f]{7,64}\b""",
    re.IGNORECASE | re.VERBOSE,
)
_WORD = re.compile(r"([(\[{\"']*)(\S*?)([.,;:)\]}\"'!?]*)(\s+|$)")
_CODE = re.compile(r"`([^`]+)`")
_URL_CHARACTERS = ":/?#@!$&'*+,;=%~"  # all that a URL may have, without brackets


def escape_markdown(text: str) -> str:
    """Return a line of text as Markdown, for a paragraph, an item of a list or a cell of a table."""
    line = abbreviate_text(sanitize_line(text)).strip()
    parts = _CODE.split(line)  # every second one is what stands between backticks
    escaped = [code_span(part) if index % 2 else _escape_words(part) for index, part in enumerate(parts)]
    return _BLOCK_START.sub(_escape_block_start, "".join(escaped))


def _escape_block_start(match: re.Match[str]) -> str:
    start = match[0]
    return f"{start}\\" if start.isdigit() else f"\\{start}"


def _escape_words(text: str) -> str:
    return "".join(_escape_word(*match.groups()) for match in _WORD.finditer(text))


def _escape_word(opening: str, word: str, closing: str, space: str) -> str:
    if _LINKED.search(f"{word}{closing}"):
        shown = code_span(word) if _LINKED.search(word) else code_span(f"{word}{closing}")
        closing = closing if _LINKED.search(word) else ""
    else:
        shown = _SYNTAX.sub(r"\\\1", word)
    return "".join((_SYNTAX.sub(r"\\\1", opening), shown, _SYNTAX.sub(r"\\\1", closing), space))


def code_span(text: str) -> str:
    """Return text as code within a line; a ``|`` stands between two pieces of code, or it would end a cell."""
    return r"\|".join(map(_code_piece, sanitize_line(text).split("|")))


def _code_piece(text: str) -> str:
    if not text:
        return ""
    fence = "`" * (_longest_backticks([text]) + 1)
    space = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{space}{text}{space}{fence}"


def code_fence(lines: Iterable[str]) -> str:
    """Return the line that opens and closes a block of code with these lines."""
    return "`" * max(3, _longest_backticks(lines) + 1)


def _longest_backticks(lines: Iterable[str]) -> int:
    return max((len(run) for line in lines for run in re.findall("`+", line)), default=0)


def code_block(lines: Sequence[str]) -> str:
    """Return lines as a block of code."""
    safe = list(map(sanitize_line, lines))
    fence = code_fence(safe)
    return "\n".join((fence, *safe, fence))


def html_code(text: str) -> str:
    """Return text as code within HTML, such as a summary, which Markdown does not read."""
    return f"<code>{escape(sanitize_line(text))}</code>"


def more_lines(number: int, noun: str) -> list[str]:
    """Return a line that says how many more there are; nothing if there are no more."""
    return [f"and {number:,} more {noun}{'' if number == 1 else 's'}"] if number > 0 else []


def join_code(texts: Sequence[str], limit: int) -> str:
    """Join the first texts, each as code, and count the others: ``a, b and 4 more``."""
    others = f" and {len(texts) - limit:,} more" if len(texts) > limit else ""
    return ", ".join(map(code_span, texts[:limit])) + others


def link(label: str, url: str) -> str:
    """Return Markdown as the text of a link; as it is, if there is no URL."""
    return f"[{label}]({quote(url, safe=_URL_CHARACTERS)})" if url else label


def table_row(*cells: str) -> str:
    """Return a row of a table; the cells are Markdown already."""
    return f"| {' | '.join(cells)} |"


def table_header(*names: str) -> str:
    """Return the first two lines of a table."""
    return f"{table_row(*names)}\n{table_row(*('---' for _ in names))}"
