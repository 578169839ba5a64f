"""What a kind of asset is: a value with traits. Everything that differs by kind is asked of it, never of a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model import Spec


class Lifecycle(StrEnum):
    """How an asset of a kind changes: in place by its name, by new versions, or by new runs."""

    NAMED = "named"
    VERSIONED = "versioned"
    RUNNABLE = "runnable"


class Leaving(StrEnum):
    """What becomes of the live asset when its file leaves Git."""

    KEEP = "keep"
    DELETE = "delete"
    ARCHIVE = "archive"


KindOf = Callable[[Spec], str]


@dataclass(frozen=True, slots=True)
class Site:
    """A place in a spec that mentions something: a JSON pointer with ``*`` for any key.

    ``kind`` is the kind of asset that a reference there means; where what stands beside it decides, a function
    of the mapping around it. ``local`` says that a plain string there is a path from the file.
    """

    pointer: str
    kind: str | KindOf = ""
    local: bool = False

    def kind_in(self, around: Spec) -> str:
        """Return the kind that a reference at this place means."""
        return self.kind if isinstance(self.kind, str) else self.kind(around)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind and its traits.

    ``schemas`` are the names that ``$schema`` URLs give it; ``keys`` are sets of keys that tell it without one.
    ``in_place`` are the fields whose change is an update: all others make a new version, a new run or a
    replacement. ``spliced`` are fields that may name a YAML file which then stands in their place. ``realised``
    says that something stands behind the record: a kind without it is *recorded only*.
    """

    name: str
    lifecycle: Lifecycle
    leaving: Leaving
    schemas: frozenset[str]
    keys: tuple[frozenset[str], ...] = ()
    in_place: frozenset[str] = frozenset({"description", "tags"})
    ignored: frozenset[str] = frozenset({"$schema", "name", "version", "id"})
    sites: tuple[Site, ...] = ()
    spliced: frozenset[str] = frozenset()
    built: bool = False
    bound: bool = False
    stored: bool = False
    realised: bool = True
    order: int = field(default=0, compare=False)

    @property
    def versioned(self) -> bool:
        """Tell whether assets of this kind have versions."""
        return self.lifecycle is Lifecycle.VERSIONED

    @property
    def runnable(self) -> bool:
        """Tell whether assets of this kind have runs."""
        return self.lifecycle is Lifecycle.RUNNABLE

    def affects(self, name: str) -> bool:
        """Tell whether a field counts in the fingerprint."""
        return name not in self.in_place and name not in self.ignored
