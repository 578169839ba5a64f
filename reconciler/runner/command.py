"""Expressions in a command -> words of a shell: each value reaches the program as it is in the spec."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .result import staging_error

_EXPRESSION = re.compile(r"\$\{\{\s*([^{}]*?)\s*\}\}")
# Azure ML's optional part: it is kept only if all inputs that it names have a value.
_OPTIONAL_PART = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_UNQUOTED, _SINGLE_QUOTED, _DOUBLE_QUOTED, _COMMAND_SUBSTITUTION = "", "'", '"', "("


@dataclass(frozen=True, slots=True)
class ShellWord:
    """A value that is always one word: a file, a folder, a URI."""

    text: str


@dataclass(frozen=True, slots=True)
class RawText:
    """A value that Azure ML pastes into the command: outside of quotes it can be several words.

    An object or a list, which a search space can have, is JSON and always one word.
    """

    value: Any

    @property
    def text(self) -> str:
        return json.dumps(self.value) if self.is_json else str(self.value)

    @property
    def is_json(self) -> bool:
        return isinstance(self.value, dict | list)


CommandValue = ShellWord | RawText


def find_expressions(command: str) -> list[str]:
    """Return the expressions of a command: ``inputs.x``, ``outputs.y``."""
    return _EXPRESSION.findall(command)


def substitute_expressions(command: str, values: Mapping[str, CommandValue]) -> str:
    """Return a command with its expressions replaced by values (``inputs.x``, ``outputs.y``).

    Raises RunFailedError for an expression that has no value.
    """
    command = _OPTIONAL_PART.sub(lambda match: _expand_optional_part(match[1], values), command)
    parts: list[str] = []
    quotes = [_UNQUOTED]
    position = 0
    for expression in _EXPRESSION.finditer(command):
        text = command[position : expression.start()]
        quotes = _track_quotes(text, quotes)
        parts += [text, _quote_value(_lookup_value(expression[1], values), quotes[-1])]
        position = expression.end()
    return "".join([*parts, command[position:]])


def _expand_optional_part(part: str, values: Mapping[str, CommandValue]) -> str:
    return part if all(name in values for name in find_expressions(part)) else ""


def _lookup_value(name: str, values: Mapping[str, CommandValue]) -> CommandValue:
    if name in values:
        return values[name]
    names = ", ".join(sorted(values))
    raise staging_error(f"the command uses ${{{{{name}}}}}, which the job does not have; it has: {names}")


def _quote_value(value: CommandValue, quote: str) -> str:
    """Return a value, escaped for the quotes that the expression is in."""
    if quote == _SINGLE_QUOTED:
        return value.text.replace("'", "'\"'\"'")
    if quote == _DOUBLE_QUOTED:
        return re.sub(r'([\\"$`])', r"\\\1", value.text)
    is_pasted = isinstance(value, RawText) and not value.is_json
    return value.text if is_pasted else shlex.quote(value.text)


def _track_quotes(text: str, quotes: list[str]) -> list[str]:
    """Return the quotes that are open after a text of the command, innermost last; here-documents are not parsed."""
    stack = list(quotes)
    index = 0
    while index < len(text):
        character, pair = text[index], text[index : index + 2]
        innermost = stack[-1]
        if innermost == _SINGLE_QUOTED:
            if character == "'":
                stack.pop()
        elif character == "\\":
            index += 1
        elif pair == "$(" or (character == "(" and innermost == _COMMAND_SUBSTITUTION):
            stack.append(_COMMAND_SUBSTITUTION)
            index += len(pair) - 1 if pair == "$(" else 0
        elif character == '"':
            stack.pop() if innermost == _DOUBLE_QUOTED else stack.append(_DOUBLE_QUOTED)
        elif innermost != _DOUBLE_QUOTED:
            index = _scan_unquoted(text, index, stack)
        index += 1
    return stack


def _scan_unquoted(text: str, index: int, stack: list[str]) -> int:
    """Update the open quotes for one unquoted character; return the index of the last character consumed."""
    character = text[index]
    if character == "'":
        stack.append(_SINGLE_QUOTED)
    elif character == ")" and stack[-1] == _COMMAND_SUBSTITUTION:
        stack.pop()
    elif character == "#" and (index == 0 or text[index - 1].isspace()):
        end = text.find("\n", index)  # an apostrophe in a comment opens no quotes
        return len(text) if end < 0 else end
    return index
