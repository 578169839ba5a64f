"""Expressions in a command -> words of a shell: each value arrives in the program as it is in the spec."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .result import staging_failure

_EXPRESSION = re.compile(r"\$\{\{\s*([^{}]*?)\s*\}\}")
# Azure ML's optional part: it stays only if all that it names is given.
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_PLAIN, _SINGLE, _DOUBLE, _NESTED = "", "'", '"', "("


@dataclass(frozen=True, slots=True)
class Word:
    """A value that is one word whatever it holds: a file, a folder, an address."""

    text: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that Azure ML pastes into the command: outside quotes it may be several words."""

    value: Any

    @property
    def text(self) -> str:
        return str(self.value)


Value = Word | Literal


def substitute(command: str, values: Mapping[str, Value]) -> str:
    """Put the values (``inputs.x``, ``outputs.y``) into a command; an unknown name is a staging failure."""
    command = _OPTIONAL.sub(lambda part: _given(part.group(1), values), command)
    done: list[str] = []
    quotes = [_PLAIN]
    position = 0
    for expression in _EXPRESSION.finditer(command):
        between = command[position : expression.start()]
        quotes = _follow(between, quotes)
        done += [between, _quoted(_look_up(expression.group(1), values), quotes[-1])]
        position = expression.end()
    return "".join([*done, command[position:]])


def _given(part: str, values: Mapping[str, Value]) -> str:
    return part if all(name in values for name in _EXPRESSION.findall(part)) else ""


def _look_up(name: str, values: Mapping[str, Value]) -> Value:
    if name in values:
        return values[name]
    known = ", ".join(sorted(values)) or "none"
    raise staging_failure(f"the command asks for ${{{{{name}}}}}, which the job does not have; it has: {known}")


def _quoted(value: Value, quote: str) -> str:
    """Write one value so that it survives the kind of quotes it stands in."""
    if quote == _SINGLE:
        return value.text.replace("'", "'\"'\"'")
    if quote == _DOUBLE:
        return re.sub(r'([\\"$`])', r"\\\1", value.text)
    return value.text if isinstance(value, Literal) else shlex.quote(value.text)


def _follow(text: str, quotes: list[str]) -> list[str]:
    """Read on in a command and tell which quotes are open then, the innermost last (here-documents are not read)."""
    stack = list(quotes)
    index = 0
    while index < len(text):
        character, pair = text[index], text[index : index + 2]
        here = stack[-1]
        if here == _SINGLE:
            if character == "'":
                stack.pop()
        elif character == "\\":
            index += 1
        elif pair == "$(" or (character == "(" and here == _NESTED):
            stack.append(_NESTED)
            index += len(pair) - 1 if pair == "$(" else 0
        elif character == '"':
            stack.pop() if here == _DOUBLE else stack.append(_DOUBLE)
        elif here != _DOUBLE:
            index = _unquoted(text, index, stack)
        index += 1
    return stack


def _unquoted(text: str, index: int, stack: list[str]) -> int:
    """Take one character that stands in no quotes; return the index of the last one that is dealt with."""
    character = text[index]
    if character == "'":
        stack.append(_SINGLE)
    elif character == ")" and stack[-1] == _NESTED:
        stack.pop()
    elif character == "#" and (index == 0 or text[index - 1].isspace()):
        end = text.find("\n", index)  # an apostrophe in a comment opens nothing
        return len(text) if end < 0 else end
    return index
