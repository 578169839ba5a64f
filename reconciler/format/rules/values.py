"""Types of inputs: whether a constant, or a value of another type, can be one. Reference, section 8 (coercions), 11."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from reconciler.diagnostics import Severity
from reconciler.format.rules.spec_nodes import as_integer, as_lower_text
from reconciler.model import Json, Spec

ASSET_TYPES = frozenset(
    {"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model", "safe_tensors_model"}
)
PRIMITIVE_TYPES = frozenset({"string", "number", "integer", "boolean"})
_FOLDER_TYPES = frozenset({"uri_folder", "mlflow_model", "triton_model"})
_STRUCTURED_TYPES = frozenset({"mltable", "mlflow_model", "triton_model"})  # each is laid out in a way of its own
_FILE_OR_TABLE = frozenset({"uri_file", "mltable"})  # some readers take both
_BOOLEAN_TEXTS = frozenset({"true", "false", "1", "0", "yes", "no", "on", "off"})


def declared_type(port: Spec) -> str:
    """Return the declared type of an input or output, in lower case; "" for none."""
    return as_lower_text(port.get("type"))


def type_mismatch_severity(have: str, wanted: str) -> Severity | None:
    """Say how much it matters that something of one type goes where another is wanted; None where it may go there.

    A whole number is a number, and everything plain can be written as text. Data may go by another type as long as
    a file stays a file; what a folder holds, and what a custom model is made of, nobody knows.
    """
    pair = frozenset({have, wanted})
    if len(pair) == 1 or not pair <= ASSET_TYPES | PRIMITIVE_TYPES:
        return None
    if pair & PRIMITIVE_TYPES:
        return _primitive_mismatch_severity(have, wanted)
    if "uri_file" in pair and pair & _FOLDER_TYPES:
        return Severity.ERROR
    return Severity.WARNING if pair <= _STRUCTURED_TYPES or pair == _FILE_OR_TABLE else None


def _primitive_mismatch_severity(have: str, wanted: str) -> Severity | None:
    if (have in PRIMITIVE_TYPES and wanted == "string") or (have, wanted) == ("integer", "number"):
        return None
    return Severity.WARNING if (have, wanted) == ("number", "integer") else Severity.ERROR  # 3.0 is a whole number


def describe_type_mismatch(value: Json, port: Spec) -> str:
    """Say why a value that stands in the file cannot be an input; "" where it may be."""
    wanted = declared_type(port)
    if isinstance(value, dict):
        given = declared_type(value) or ("uri_folder" if "path" in value else "")
        return f"{given} is given, and {wanted} is wanted" if wanted in _TYPE_CHECKS and given in ASSET_TYPES else ""
    if isinstance(value, list):
        return ""
    if wanted in ASSET_TYPES:
        return f"{_format_value(value)} is given, and {wanted} is wanted" if not isinstance(value, str) else ""
    check = _TYPE_CHECKS.get(wanted)
    return f"{_format_value(value)} is given, and {wanted} is wanted" if check and not check(value) else ""


def describe_range_violation(value: Json, port: Spec) -> str:
    """Say why a constant is not among those that an input allows; "" where it is."""
    allowed = port.get("enum")
    if isinstance(allowed, list) and allowed and str(value) not in {str(each) for each in allowed}:
        return f"{_format_value(value)} is not allowed; allowed: {', '.join(str(each) for each in allowed)}"
    number = _parse_number(value)
    least, most = _parse_number(port.get("min")), _parse_number(port.get("max"))
    if number is None:
        return ""
    if least is not None and number < least:
        return f"{_format_value(value)} is less than {port.get('min')}, the least that is allowed"
    if most is not None and number > most:
        return f"{_format_value(value)} is more than {port.get('max')}, the most that is allowed"
    return ""


def _format_value(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parse_number(value: Json) -> float | None:
    """Return the number that a value is or says; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_integer(value: Json) -> bool:
    return not isinstance(value, bool) and (as_integer(value) is not None or isinstance(value, int))


def _is_number(value: Json) -> bool:
    return not isinstance(value, bool) and (_parse_number(value) is not None or isinstance(value, int))


def _is_boolean(value: Json) -> bool:
    return isinstance(value, bool) or str(value).lower() in _BOOLEAN_TEXTS


def _is_text(value: Json) -> bool:
    return value is not None


_TYPE_CHECKS: Mapping[str, Callable[[Json], bool]] = {
    "integer": _is_integer,
    "number": _is_number,
    "boolean": _is_boolean,
    "string": _is_text,
}
