"""Errors in the form that MLflow clients understand: one of its codes, and a message."""

from __future__ import annotations

from typing import Any

_HTTP_STATUS = {
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "UNAUTHENTICATED": 401,
    "RESOURCE_ALREADY_EXISTS": 400,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "REQUEST_LIMIT_EXCEEDED": 413,
    "INTERNAL_ERROR": 500,
}


class ApiError(Exception):
    """A call that fails, with one of MLflow's error codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = _HTTP_STATUS[code]

    def to_json(self) -> dict[str, Any]:
        return {"error_code": self.code, "message": str(self)}


def invalid_value_error(message: str) -> ApiError:
    """Return the error of an invalid value, ready to raise."""
    return ApiError("INVALID_PARAMETER_VALUE", message)


def not_found_error(message: str) -> ApiError:
    """Return the error of a name that does not exist, ready to raise."""
    return ApiError("RESOURCE_DOES_NOT_EXIST", message)
