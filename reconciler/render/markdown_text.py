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

from reconciler.abbreviation import cut_middle
from reconciler.render.sanitize import sanitize_line

_MAX_LINE, _MAX_CODE, _MAX_NAME = 1000, 300, 60  # characters; longer text loses its middle
_SYNTAX = re.compile(r"([\\`*_\[\]<#|~&!])")
_BLOCK_START = re.compile(r"^([-+=>]|\d+(?=[.)]))")  # of a list or a quote, or the line under a heading
_LINKED = re.compile(
    r"""@ | :// | www\. | \b(?:mailto|xmpp): | \$ | [#!%~&][\w"] | \bGH-\d | :[\w+-]+: | \b[0-9a-f]{7,64}\b""",
    re.IGNORECASE | re.VERBOSE,
)
_TOKEN = re.compile(r"([(\[{\"']*)(?:`([^`]+)`|(\S*?))([.,;:)\]}\"'!?]*)(\s+|$)")
_URL_CHARACTERS = ":/?#@!$&'*+,;=%~"  # all that a URL may have, without brackets


def escape_markdown(text: str) -> str:
    """Return a line of text as Markdown, for a paragraph, an item of a list or a cell of a table."""
    line = cut_middle(sanitize_line(text), _MAX_LINE).strip()
    escaped = "".join(_escape_token(*token.groups()) for token in _TOKEN.finditer(line))
    return _BLOCK_START.sub(_escape_block_start, escaped)


def _escape_token(opening: str, code: str | None, word: str | None, closing: str, space: str) -> str:
    """Return a word, or what stands between backticks, with the punctuation around it."""
    if code is not None:
        shown = code_span(code)
    elif _LINKED.search(word or ""):
        shown = code_span(word or "")
    elif _LINKED.search(f"{word}{closing}"):
        shown, closing = code_span(f"{word}{closing}"), ""
    else:
        shown = _escape_syntax(word or "")
    return f"{_escape_syntax(opening)}{shown}{_escape_syntax(closing)}{space}"


def _escape_syntax(text: str) -> str:
    return _SYNTAX.sub(r"\\\1", text)


def _escape_block_start(match: re.Match[str]) -> str:
    start = match[0]
    return f"{start}\\" if start.isdigit() else f"\\{start}"


def code_span(text: str) -> str:
    """Return text as code within a line; a ``|`` stands between two pieces of code, or it would end a cell."""
    return r"\|".join(map(_code_piece, cut_middle(sanitize_line(text), _MAX_CODE).split("|")))


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
    safe = [cut_middle(sanitize_line(line), _MAX_CODE) for line in lines]
    fence = code_fence(safe)
    return "\n".join((fence, *safe, fence))


def html_code(text: str) -> str:
    """Return text as code within HTML, such as a summary, which Markdown does not read."""
    return f"<code>{escape(cut_middle(sanitize_line(text), _MAX_NAME))}</code>"


def more_lines(number: int, noun: str) -> list[str]:
    """Return a line that says how many more there are; nothing if there are no more."""
    return [f"and {number:,} more {noun}{'' if number == 1 else 's'}"] if number > 0 else []


def join_code(texts: Sequence[str], limit: int) -> str:
    """Join the first names, each as code, and count the others: ``a, b and 4 more``."""
    others = f" and {len(texts) - limit:,} more" if len(texts) > limit else ""
    return ", ".join(code_span(cut_middle(text, _MAX_NAME)) for text in texts[:limit]) + others


def link(label: str, url: str) -> str:
    """Return Markdown as the text of a link; as it is, if there is no URL."""
    return f"[{label}]({quote(url, safe=_URL_CHARACTERS)})" if url else label


def table_row(*cells: str) -> str:
    """Return a row of a table; the cells are Markdown already."""
    return f"| {' | '.join(cells)} |"


def table_header(*names: str) -> str:
    """Return the first two lines of a table."""
    return f"{table_row(*names)}\n{table_row(*('---' for _ in names))}"
