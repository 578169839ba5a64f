"""The fields at the top of a config.pbtxt of Triton, which is the text form of a protocol buffer.

Only plain values of the top level are returned; messages and lists are skipped. protobuf's ``text_format`` would need
the message class ``ModelConfig`` of Triton, and be a dependency for the four names that mlgit reads.
Grammar: https://protobuf.dev/reference/protobuf/textformat-spec/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_TOKEN = re.compile(
    r"(?P<space>(?:\s+|\#[^\n]*)+)"
    r"|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    r"|(?P<word>[\w.+-]+)"
    r"|(?P<sign>[{}\[\]<>:,;/])"
)
_CLOSING = {"{": "}", "[": "]", "<": ">"}
_ESCAPE = re.compile(r"\\(.)")


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def read_config_fields(text: str) -> Mapping[str, str]:
    """Return the plain values of the top level by the names of their fields; raises ValueError with the line."""
    fields: dict[str, str] = {}
    open_signs: list[_Token] = []
    name, value_of = "", ""  # the word read last at the top, and the field whose value comes next
    for token in _tokens(text):
        if token.text in _CLOSING and token.kind == "sign":
            open_signs.append(token)
            name = value_of = ""
        elif token.kind == "sign" and token.text in _CLOSING.values():
            if not open_signs or _CLOSING[open_signs.pop().text] != token.text:
                raise ValueError(f"line {token.line}: {token.text} closes nothing")
        elif open_signs:
            continue
        elif token.kind == "sign":
            name, value_of = "", name if token.text == ":" else ""
        elif value_of and (token.kind == "string" or value_of not in fields):
            fields[value_of] = fields.get(value_of, "") + _plain_value(token)
            name, value_of = "", value_of if token.kind == "string" else ""
        else:
            name, value_of = (token.text, "") if token.kind == "word" else ("", "")
    if open_signs:
        raise ValueError(f"line {open_signs[-1].line}: {open_signs[-1].text} is not closed")
    return fields


def _tokens(text: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"line {line}: {text[position]!r} is unexpected")
        if match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match[0], line)
        line += match[0].count("\n")
        position = match.end()


def _plain_value(token: _Token) -> str:
    return _ESCAPE.sub(r"\1", token.text[1:-1]) if token.kind == "string" else token.text
