"""The types of inputs and outputs, and the values that they accept (reference, sections 8 (coercions) and 11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.diagnostics import Severity
from reconciler.format.rules.spec_nodes import as_integer, as_lower_text
from reconciler.model import Json, Spec
from reconciler.model.numbers import as_number

ASSET_TYPES = frozenset(
    {"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model", "safe_tensors_model"}
)
PRIMITIVE_TYPES = frozenset({"string", "number", "integer", "boolean"})
_FOLDER_TYPES = frozenset({"uri_folder", "mlflow_model", "triton_model"})
_STRUCTURED_TYPES = frozenset({"mltable", "mlflow_model", "triton_model"})  # folders with different layouts
_FILE_OR_TABLE = frozenset({"uri_file", "mltable"})  # some readers accept both
_BOOLEAN_TEXTS = frozenset({"true", "false", "1", "0", "yes", "no", "on", "off"})


def declared_type(declared: Spec) -> str:
    """Return the type of an input or output in lower case; "" if it has none."""
    return as_lower_text(declared.get("type"))


def type_mismatch_severity(source_type: str, target_type: str) -> Severity | None:
    """Return the severity of passing one type where another is expected; None if it is allowed.

    An integer is a number, and every primitive value can be written as text. An asset can have another type, as long
    as a file stays a file: the content of a folder or a custom model is not known.
    """
    pair = frozenset({source_type, target_type})
    if len(pair) == 1 or not pair <= ASSET_TYPES | PRIMITIVE_TYPES:
        return None
    if pair & PRIMITIVE_TYPES:
        return _primitive_mismatch_severity(source_type, target_type)
    if "uri_file" in pair and pair & _FOLDER_TYPES:
        return Severity.ERROR
    return Severity.WARNING if pair <= _STRUCTURED_TYPES or pair == _FILE_OR_TABLE else None


def _primitive_mismatch_severity(source_type: str, target_type: str) -> Severity | None:
    if (source_type in PRIMITIVE_TYPES and target_type == "string") or (source_type, target_type) == (
        "integer",
        "number",
    ):
        return None
    return (
        Severity.WARNING if (source_type, target_type) == ("number", "integer") else Severity.ERROR
    )  # 3.0 is an integer


def describe_type_mismatch(value: Json, declared: Spec) -> str:
    """Return why an input does not accept a constant; "" if it does."""
    target_type = declared_type(declared)
    if isinstance(value, dict):
        given_type = declared_type(value) or ("uri_folder" if "path" in value else "")
        is_mismatch = target_type in _TYPE_CHECKS and given_type in ASSET_TYPES
        return f"expected {target_type}, got {given_type}" if is_mismatch else ""
    if isinstance(value, list):
        return ""
    check = _is_string if target_type in ASSET_TYPES else _TYPE_CHECKS.get(target_type)
    return f"expected {target_type}, got {_format_value(value)}" if check and not check(value) else ""


def describe_range_violation(value: Json, declared: Spec) -> str:
    """Return why a constant is not in the enum or the range of an input; "" if it is."""
    allowed = declared.get("enum")
    if isinstance(allowed, list) and allowed and str(value) not in {str(choice) for choice in allowed}:
        return f"{_format_value(value)} is not allowed; use one of {', '.join(str(choice) for choice in allowed)}"
    number = as_number(value)
    minimum, maximum = as_number(declared.get("min")), as_number(declared.get("max"))
    if number is None:
        return ""
    if minimum is not None and number < minimum:
        return f"{_format_value(value)} is less than the minimum {declared.get('min')}"
    if maximum is not None and number > maximum:
        return f"{_format_value(value)} is greater than the maximum {declared.get('max')}"
    return ""


def _format_value(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_integer(value: Json) -> bool:
    return not isinstance(value, bool) and (as_integer(value) is not None or isinstance(value, int))


def _is_number(value: Json) -> bool:
    return not isinstance(value, bool) and (as_number(value) is not None or isinstance(value, int))


def _is_boolean(value: Json) -> bool:
    return isinstance(value, bool) or str(value).lower() in _BOOLEAN_TEXTS


def _is_not_null(value: Json) -> bool:
    return value is not None


def _is_string(value: Json) -> bool:
    return isinstance(value, str)


_TYPE_CHECKS: Mapping[str, Callable[[Json], bool]] = {
    "integer": _is_integer,
    "number": _is_number,
    "boolean": _is_boolean,
    "string": _is_not_null,
}
