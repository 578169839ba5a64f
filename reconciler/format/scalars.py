"""Scalars as YAML 1.1 reads them: the text of a file to a JSON value, and the name of the type it was read as."""

from __future__ import annotations

import math
from functools import lru_cache

from yaml.resolver import Resolver

from reconciler.model import Json

TAG_PREFIX = "tag:yaml.org,2002:"
MAX_DIGITS = 100
UNREADABLE_NUMBER = "unreadable"  # the type of a number that JSON has not
_TRUE_WORDS = {"yes", "true", "on"}
_IMPLICIT_RESOLVERS = Resolver.yaml_implicit_resolvers


@lru_cache(maxsize=4096)
def parse_plain_scalar(text: str) -> tuple[str, Json]:
    """Read a plain scalar as YAML 1.1 does; the same few come again and again."""
    for tag, pattern in (*_IMPLICIT_RESOLVERS.get(text[:1], ()), *_IMPLICIT_RESOLVERS.get(None, ())):
        if pattern.match(text):
            return _parse_typed_scalar(tag.removeprefix(TAG_PREFIX), text)
    return "str", text


def parse_tagged_scalar(tag: str | None, text: str) -> tuple[str, Json]:
    """Read a quoted scalar, or one with a tag of its own."""
    if tag in {None, "!", f"{TAG_PREFIX}str"}:
        return "str", text
    short = str(tag).removeprefix(TAG_PREFIX)
    return _parse_typed_scalar(short, text) if short in {"int", "float", "bool", "null"} else ("refused", None)


def _parse_typed_scalar(tag: str, text: str) -> tuple[str, Json]:
    match tag:
        case "null":
            return tag, None
        case "bool":
            return tag, text.lower() in _TRUE_WORDS
        case "int" | "float":
            return _parse_number(tag, text)
    return tag, text  # a date stays the text that it is


def _parse_number(tag: str, text: str) -> tuple[str, Json]:
    """Read a number; 1:30, which YAML 1.1 takes for 90, stays text, because nobody means that."""
    plain = text.replace("_", "").lower()
    if ":" in plain:
        return "str", text
    try:
        number = _parse_integer(plain) if tag == "int" else float(plain.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:  # only a tag makes a number of what looks like none
        return UNREADABLE_NUMBER, None
    return (tag, number) if len(plain) <= MAX_DIGITS and math.isfinite(number) else (UNREADABLE_NUMBER, None)


def _parse_integer(plain: str) -> int:
    sign, digits = (-1, plain[1:]) if plain.startswith("-") else (1, plain.removeprefix("+"))
    octal = len(digits) > 1 and digits.startswith("0") and digits.isdigit()
    return sign * (int(digits, 8) if octal else int(digits, 0))
