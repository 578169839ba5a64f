"""Types of inputs: whether a constant, or a value of another type, can be one. Reference, section 8 (coercions), 11."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from reconciler.diagnostics import Severity
from reconciler.format.rules.parts import lower, whole
from reconciler.model import Json, Spec

ASSETS = frozenset(
    {"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model", "safe_tensors_model"}
)
PRIMITIVES = frozenset({"string", "number", "integer", "boolean"})
_FOLDERS = frozenset({"uri_folder", "mlflow_model", "triton_model"})
_FORMATS = frozenset({"mltable", "mlflow_model", "triton_model"})  # each is laid out in a way of its own
_FILE_OR_TABLE = frozenset({"uri_file", "mltable"})  # some readers take both
_BOOLEANS = frozenset({"true", "false", "1", "0", "yes", "no", "on", "off"})


def type_of(port: Spec) -> str:
    """Return the declared type of an input or output, in lower case; "" for none."""
    return lower(port.get("type"))


def unlike(have: str, wanted: str) -> Severity | None:
    """Say how much it matters that something of one type goes where another is wanted; None where it may go there.

    A whole number is a number, and everything plain can be written as text. Data may go by another type as long as
    a file stays a file; what a folder holds, and what a custom model is made of, nobody knows.
    """
    pair = frozenset({have, wanted})
    if len(pair) == 1 or not pair <= ASSETS | PRIMITIVES:
        return None
    if pair & PRIMITIVES:
        return _unlike_plain(have, wanted)
    if "uri_file" in pair and pair & _FOLDERS:
        return Severity.ERROR
    return Severity.WARNING if pair <= _FORMATS or pair == _FILE_OR_TABLE else None


def _unlike_plain(have: str, wanted: str) -> Severity | None:
    if (have in PRIMITIVES and wanted == "string") or (have, wanted) == ("integer", "number"):
        return None
    return Severity.WARNING if (have, wanted) == ("number", "integer") else Severity.ERROR  # 3.0 is a whole number


def misfit(value: Json, port: Spec) -> str:
    """Say why a value that stands in the file cannot be an input; "" where it may be."""
    wanted = type_of(port)
    if isinstance(value, dict):
        given = type_of(value) or ("uri_folder" if "path" in value else "")
        return f"{given} is given, and {wanted} is wanted" if wanted in _CHECKS and given in ASSETS else ""
    if isinstance(value, list):
        return ""
    if wanted in ASSETS:
        return f"{_shown(value)} is given, and {wanted} is wanted" if not isinstance(value, str) else ""
    check = _CHECKS.get(wanted)
    return f"{_shown(value)} is given, and {wanted} is wanted" if check and not check(value) else ""


def out_of_bounds(value: Json, port: Spec) -> str:
    """Say why a constant is not among those that an input allows; "" where it is."""
    allowed = port.get("enum")
    if isinstance(allowed, list) and allowed and str(value) not in {str(each) for each in allowed}:
        return f"{_shown(value)} is not allowed; allowed: {', '.join(str(each) for each in allowed)}"
    number = _number(value)
    least, most = _number(port.get("min")), _number(port.get("max"))
    if number is None:
        return ""
    if least is not None and number < least:
        return f"{_shown(value)} is less than {port.get('min')}, the least that is allowed"
    if most is not None and number > most:
        return f"{_shown(value)} is more than {port.get('max')}, the most that is allowed"
    return ""


def _shown(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Json) -> float | None:
    """Return the number that a value is or says; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_integer(value: Json) -> bool:
    return not isinstance(value, bool) and (whole(value) is not None or isinstance(value, int))


def _is_number(value: Json) -> bool:
    return not isinstance(value, bool) and (_number(value) is not None or isinstance(value, int))


def _is_boolean(value: Json) -> bool:
    return isinstance(value, bool) or str(value).lower() in _BOOLEANS


def _is_text(value: Json) -> bool:
    return value is not None


_CHECKS: Mapping[str, Callable[[Json], bool]] = {
    "integer": _is_integer,
    "number": _is_number,
    "boolean": _is_boolean,
    "string": _is_text,
}
