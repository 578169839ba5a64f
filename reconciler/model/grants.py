"""Requests to a storage service that anybody may send for a time: by them, a node gets and gives objects of a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Access(Enum):
    """What a grant allows: to read an object that the store has, or to create one that it lacks."""

    READ = "read"
    CREATE = "create"


@dataclass(frozen=True, slots=True)
class Grant:
    """A request for one object: GET to read it, PUT with these headers to create it. The URL is a secret.

    It replaces no object and is for no other one.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
