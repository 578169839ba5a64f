"""The routes of the API: a method and a path, which may have fields in braces, with the function that is called."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

_Handler = TypeVar("_Handler", bound=Callable[..., Any])
Routes = list[tuple[str, re.Pattern[str], _Handler]]


def compile_routes(handlers: Mapping[str, _Handler]) -> Routes[_Handler]:
    """Return the routes of handlers by ``METHOD path``."""
    routes: Routes[_Handler] = []
    for call, handler in handlers.items():
        method, path = call.split()
        routes.append((method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), handler))
    return routes


def find_route(routes: Routes[_Handler], method: str, path: str) -> tuple[_Handler, dict[str, str]] | None:
    """Return the handler of a call, and the fields of its path; None if there is no such route."""
    for route_method, pattern, handler in routes:
        if route_method == method and (match := pattern.fullmatch(path)):
            return handler, match.groupdict()
    return None
