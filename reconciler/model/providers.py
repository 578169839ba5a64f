"""What providers return of the things that they made: a handle and a condition; and what is about to be done to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from reconciler.model.assets import EMPTY_MAPPING, Json


@dataclass(frozen=True, slots=True)
class Handle:
    """What a provider calls the thing that it made; recorded, and opaque to everyone else.

    ``provider`` is the type of the provider, such as ``local``; ``data`` is what it needs besides the id.
    """

    provider: str
    id: str
    data: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING, hash=False)

    def to_json(self) -> dict[str, Json]:
        """Return the handle as the live state records it; `from_json` reads it back."""
        return {"provider": self.provider, "id": self.id} | ({"data": dict(self.data)} if self.data else {})

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Handle:
        """Return the handle of a document; raises KeyError or TypeError for what is none."""
        provider, handle_id, data = document["provider"], document["id"], document.get("data", EMPTY_MAPPING)
        if not (isinstance(provider, str) and isinstance(handle_id, str) and isinstance(data, Mapping)):
            raise TypeError(document)
        return cls(provider, handle_id, data)


class Effect(StrEnum):
    """What an apply is about to do to a resource."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Intent:
    """An effect on a resource that is recorded before it happens, and until it is known to have happened."""

    effect: Effect
    token: str

    def to_json(self) -> dict[str, Json]:
        """Return the intent as the live state records it; `from_json` reads it back."""
        return {"effect": str(self.effect), "token": self.token}

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Intent:
        """Return the intent of a document; raises KeyError or ValueError if it is none."""
        return cls(Effect(document["effect"]), document["token"])


class Phase(StrEnum):
    """The phase that a run or a resource is in, as its provider reports it."""

    PENDING = "pending"
    RUNNING = "running"
    READY = "ready"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    GONE = "gone"
    UNKNOWN = "unknown"  # the provider could not be asked; what is recorded stands


CANCELED = "canceled"
"""The reason of a run that failed because it was canceled."""
REFUSED = "refused"
"""The reason of a resource that failed because its service refuses: no provider makes it anew."""
FILES_GONE = "files-gone"
"""The reason of a run that has ended and of whose files some were removed; the message names one."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How something is: its phase, the reason in one word, a message, and the result document of what has ended.

    Of a resource, ``settings`` are those fields of its asset that the provider reports, as a file would have them; they
    are compared with what is declared, and not recorded.
    """

    phase: Phase
    reason: str = ""
    message: str = ""
    result: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    settings: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)

    def to_json(self) -> dict[str, Json]:
        """Return the condition as the live state records it; `from_json` reads it back."""
        texts = {"reason": self.reason, "message": self.message, "result": dict(self.result)}
        return {"phase": str(self.phase), **{name: value for name, value in texts.items() if value}}

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Condition:
        """Return the condition of a document; raises KeyError or ValueError if it has no phase, or an unknown one."""
        return cls(
            Phase(document["phase"]),
            document.get("reason", ""),
            document.get("message", ""),
            document.get("result", EMPTY_MAPPING),
        )


class Usage(NamedTuple):
    """How full a part of a backend is: how many of its slots, or of what ``unit`` says, are in use, and who waits.

    ``name`` is the address of a compute, ``compute/local`` for that of runs that name none, or names another part.
    """

    name: str
    unit: str
    used: int
    total: int
    queued: int = 0

    def to_json(self) -> dict[str, Json]:
        """Return the usage as ``status --format json`` shows it."""
        return {"unit": self.unit, "used": self.used, "total": self.total, "queued": self.queued}
