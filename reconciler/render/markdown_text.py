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
    r"""@ | :// | www\. | \b(?:mailto|xmpp): | \$ | !\w | [#%~&][\w"] | GH-\d | :[\w+-]+: | \b[0-9a-f]{7,64}\b""",
    re.IGNORECASE | re.VERBOSE,
)
# What mlgit's own messages have between backticks, with the punctuation around it.
_PHRASE = re.compile(r"((?<!\S)[(\[{\"']*`[^`]+`[.,;:)\]}\"'!?]*(?!\S))")
_OPENING, _CLOSING = "([{\"'", ".,;:)]}\"'!?"
_URL_CHARACTERS = ":/?#@!$&'*+,;=%~"  # all that a URL may have, without brackets


def escape_markdown(text: str) -> str:
    """Return a line of text as Markdown, for a paragraph, an item of a list or a cell of a table."""
    parts = _PHRASE.split(shorten_line(text, _MAX_LINE).strip())  # every second one is a phrase
    escaped = [_escape_phrase(part) if index % 2 else _escape_words(part) for index, part in enumerate(parts)]
    return _BLOCK_START.sub(_escape_block_start, "".join(escaped))


def _escape_phrase(phrase: str) -> str:
    opening, code, closing = phrase.split("`")
    return f"{_escape_syntax(opening)}{code_span(code)}{_escape_syntax(closing)}"


def _escape_words(text: str) -> str:
    return "".join(map(_escape_word, re.split(r"(\s+)", text)))


def _escape_word(word: str) -> str:
    core = word.lstrip(_OPENING)
    opening, core = word[: len(word) - len(core)], core.rstrip(_CLOSING)
    closing = word[len(opening) + len(core) :]
    if _LINKED.search(core):
        return f"{_escape_syntax(opening)}{code_span(core)}{_escape_syntax(closing)}"
    if _LINKED.search(word):
        return code_span(word)
    return _escape_syntax(word)


def shorten_line(text: str, limit: int) -> str:
    """Return text on one line and within a limit; it is cut before, so that no very long text is looked through."""
    return cut_middle(sanitize_line(cut_middle(text, limit)), limit)


def _escape_syntax(text: str) -> str:
    return _SYNTAX.sub(r"\\\1", text)


def _escape_block_start(match: re.Match[str]) -> str:
    start = match[0]
    return f"{start}\\" if start.isdigit() else f"\\{start}"


def code_span(text: str) -> str:
    """Return text as code within a line; a ``|`` stands between two pieces of code, or it would end a cell."""
    return r"\|".join(map(_code_piece, shorten_line(text, _MAX_CODE).split("|")))


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
    safe = [shorten_line(line, _MAX_CODE) for line in lines]
    fence = code_fence(safe)
    return "\n".join((fence, *safe, fence))


def html_code(text: str) -> str:
    """Return text as code within HTML, such as a summary, which Markdown does not read."""
    return f"<code>{escape(shorten_line(text, _MAX_NAME))}</code>"


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
