"""Expressions in a command -> words of a shell: each value arrives in the program as it is in the spec."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .result import staging_error

_EXPRESSION = re.compile(r"\$\{\{\s*([^{}]*?)\s*\}\}")
# Azure ML's optional part: it stays only if all that it names is given.
_OPTIONAL_PART = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_UNQUOTED, _SINGLE_QUOTED, _DOUBLE_QUOTED, _COMMAND_SUBSTITUTION = "", "'", '"', "("


@dataclass(frozen=True, slots=True)
class ShellWord:
    """A value that is one word whatever it holds: a file, a folder, an address."""

    text: str


@dataclass(frozen=True, slots=True)
class RawText:
    """A value that Azure ML pastes into the command: outside quotes it may be several words."""

    value: Any

    @property
    def text(self) -> str:
        return str(self.value)


CommandValue = ShellWord | RawText


def substitute_expressions(command: str, values: Mapping[str, CommandValue]) -> str:
    """Put the values (``inputs.x``, ``outputs.y``) into a command; an unknown name is a staging failure."""
    command = _OPTIONAL_PART.sub(lambda part: _expand_optional_part(part.group(1), values), command)
    done: list[str] = []
    quotes = [_UNQUOTED]
    position = 0
    for expression in _EXPRESSION.finditer(command):
        between = command[position : expression.start()]
        quotes = _track_quotes(between, quotes)
        done += [between, _quote_value(_lookup_value(expression.group(1), values), quotes[-1])]
        position = expression.end()
    return "".join([*done, command[position:]])


def _expand_optional_part(part: str, values: Mapping[str, CommandValue]) -> str:
    return part if all(name in values for name in _EXPRESSION.findall(part)) else ""


def _lookup_value(name: str, values: Mapping[str, CommandValue]) -> CommandValue:
    if name in values:
        return values[name]
    known = ", ".join(sorted(values)) or "none"
    raise staging_error(f"the command asks for ${{{{{name}}}}}, which the job does not have; it has: {known}")


def _quote_value(value: CommandValue, quote: str) -> str:
    """Write one value so that it survives the kind of quotes it stands in."""
    if quote == _SINGLE_QUOTED:
        return value.text.replace("'", "'\"'\"'")
    if quote == _DOUBLE_QUOTED:
        return re.sub(r'([\\"$`])', r"\\\1", value.text)
    return value.text if isinstance(value, RawText) else shlex.quote(value.text)


def _track_quotes(text: str, quotes: list[str]) -> list[str]:
    """Read on in a command and tell which quotes are open then, the innermost last (here-documents are not read)."""
    stack = list(quotes)
    index = 0
    while index < len(text):
        character, pair = text[index], text[index : index + 2]
        here = stack[-1]
        if here == _SINGLE_QUOTED:
            if character == "'":
                stack.pop()
        elif character == "\\":
            index += 1
        elif pair == "$(" or (character == "(" and here == _COMMAND_SUBSTITUTION):
            stack.append(_COMMAND_SUBSTITUTION)
            index += len(pair) - 1 if pair == "$(" else 0
        elif character == '"':
            stack.pop() if here == _DOUBLE_QUOTED else stack.append(_DOUBLE_QUOTED)
        elif here != _DOUBLE_QUOTED:
            index = _scan_unquoted(text, index, stack)
        index += 1
    return stack


def _scan_unquoted(text: str, index: int, stack: list[str]) -> int:
    """Take one character that stands in no quotes; return the index of the last one that is dealt with."""
    character = text[index]
    if character == "'":
        stack.append(_SINGLE_QUOTED)
    elif character == ")" and stack[-1] == _COMMAND_SUBSTITUTION:
        stack.pop()
    elif character == "#" and (index == 0 or text[index - 1].isspace()):
        end = text.find("\n", index)  # an apostrophe in a comment opens nothing
        return len(text) if end < 0 else end
    return index
