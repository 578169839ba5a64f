"""Make text that others wrote safe to print: its control, bidirectional and invisible characters become signs.

Names, paths, descriptions and error texts are untrusted. A line break in one of them would start a line of the output
with a stranger's text, which the log of a CI system may obey as a command; an escape sequence or a bidirectional
character makes a terminal show something else than what is there.
"""

from __future__ import annotations

import re
import unicodedata

# Characters that Python counts as printable and that are invisible: fillers, joiners of graphemes, the blank of
# Braille, and variation selectors outside the two that emoji use.
_INVISIBLE = "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
_PLAIN_TEXT = r"[\n\t -~]*"
_LAYOUT = frozenset({"\n", "\t"})
_SHORT_SIGNS = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPACE_SEPARATOR = "Zs"  # such as the no-break space: not printable for Python, and harmless
# What CI systems take for a command: `::name` at the start of a line, after white space, too (GitHub), and `##[name]`
# or `##vso[name]` anywhere in a line (GitHub, Azure Pipelines, TeamCity).
_LINE_COMMAND = r"(?m)^(\s*):(?=:)"
_INLINE_COMMAND = r"##(?=\w*\[)"
_FIRST_UNDECODABLE, _LAST_UNDECODABLE = 0xDC80, 0xDCFF  # bytes of a name that are not UTF-8, as Python keeps them


def sanitize_line(text: str) -> str:
    """Return text on one line, with a visible sign such as ``\\n`` or ``\\u202e`` for each character that is unsafe."""
    if text.isprintable() and (text.isascii() or not re.search(_INVISIBLE, text)):
        return text
    return "".join(map(_visible_sign, text))


def sanitize_text(text: str) -> str:
    """Return text as `sanitize_line` does, but keep its line breaks and tabs: for text whose lines are ours."""
    if re.fullmatch(_PLAIN_TEXT, text):
        return text
    return "".join(part if part in _LAYOUT else sanitize_line(part) for part in re.split(r"([\n\t])", text))


def disarm_commands(text: str) -> str:
    """Return text in which no CI system finds a command; what is escaped stays valid in a JSON string."""
    return disarm_inline_commands(re.sub(_LINE_COMMAND, r"\1\\u003a", text) if "::" in text else text)


def disarm_inline_commands(text: str) -> str:
    """Return text without the commands that CI systems find anywhere in a line."""
    return re.sub(_INLINE_COMMAND, r"#\\u0023", text) if "##" in text else text


def _visible_sign(character: str) -> str:
    if character in _SHORT_SIGNS:
        return _SHORT_SIGNS[character]
    if not re.match(_INVISIBLE, character) and (
        character.isprintable() or unicodedata.category(character) == _SPACE_SEPARATOR
    ):
        return character
    code = ord(character)
    if _FIRST_UNDECODABLE <= code <= _LAST_UNDECODABLE:
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:  # noqa: PLR2004 - the last code of two hexadecimal digits
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - of four digits
