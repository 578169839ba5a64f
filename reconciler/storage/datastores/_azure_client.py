"""How clients of Azure Blob Storage try again: for seconds while it is busy, and hardly if nothing is there."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientConnectorError
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceRequestTimeoutError
from azure.storage.blob.aio import ExponentialRetry

_CONNECT_SECONDS = 4  # an address that does not answer is reported within 5 s
_READ_SECONDS = 60
_ATTEMPTS = 3
_TOO_MANY_REQUESTS = 429


class _Retry(ExponentialRetry):
    """Tries again after 2, 4 and 8 s or so; once if nothing listens, and never if no connection is made in time."""

    def increment(self, settings: dict[str, Any], request: Any, response: Any = None, error: Any = None) -> bool:
        if isinstance(error, ServiceRequestTimeoutError):
            settings["connect"] = 0
        elif isinstance(error, ServiceRequestError) and isinstance(error.inner_exception, ClientConnectorError):
            settings["connect"] = min(settings["connect"], 1)
        has_more: bool = super().increment(settings, request, response, error)
        return has_more


def client_options() -> dict[str, Any]:
    """Return the options of a client."""
    return {
        "retry_policy": _Retry(initial_backoff=1, increment_base=2, retry_total=_ATTEMPTS, random_jitter_range=1),
        "connection_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
        "raw_response_hook": _raise_if_throttled,
    }


def _raise_if_throttled(response: Any) -> None:
    """Raise HttpResponseError for a status after which the client of Azure itself would not try again."""
    if response.http_response.status_code == _TOO_MANY_REQUESTS:
        raise HttpResponseError(response=response.http_response)
