"""What a kind of asset is: a value with traits. Everything that differs by kind is asked of it, never of a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.format.subject import Rule
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


def words(text: str) -> frozenset[str]:
    """Return the words of a text: names of fields are easier to read without quotes and commas."""
    return frozenset(text.split())


KindOf = Callable[[Spec], str]


@dataclass(frozen=True, slots=True)
class Site:
    """A place in a spec that mentions something: a JSON pointer with ``*`` for any key, or any place in a list.

    ``kind`` is the kind of asset that a reference there means; where what stands beside it decides, a function
    of the mapping around it. ``local`` says that a plain string there is a path from the file, ``file`` that
    ``file:PATH`` names a YAML file that is part of this one, ``added`` that the path is laid out beside the code, under
    its own name.
    """

    pointer: str
    kind: str | KindOf = ""
    local: bool = False
    file: bool = False
    added: bool = False

    def kind_in(self, around: Spec) -> str:
        """Return the kind that a reference at this place means."""
        return self.kind if isinstance(self.kind, str) else self.kind(around)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind and its traits.

    ``schemas`` is a pattern of the names that ``$schema`` URLs give it, in lower case. A file without one is told by
    its keys: it has all of one of the sets of ``keys`` and, where ``types`` are named, a ``type`` among them or none,
    and none of the keys of ``never``; or it has exactly the keys of one of ``fragments``. ``within`` is the field
    that names what its name counts in. ``in_place`` are the fields whose change is an update: all others make a new
    version, a new run or a replacement. ``spliced`` are fields that may name a YAML file which then stands in their
    place. ``realises`` tells for which assets something stands behind the record: others are *recorded only*. Of
    ``secret`` fields no value is recorded or shown.
    """

    name: str
    lifecycle: Lifecycle
    leaving: Leaving
    schemas: str
    keys: tuple[frozenset[str], ...] = ()
    types: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    fragments: tuple[frozenset[str], ...] = ()
    within: str = ""
    in_place: frozenset[str] = words("description tags")
    ignored: frozenset[str] = words("$schema name version id")
    sites: tuple[Site, ...] = ()
    spliced: frozenset[str] = frozenset()
    built: bool = False
    bound: bool = False
    stored: bool = False
    realises: Callable[[Spec], bool] = lambda _spec: True
    rules: tuple[Rule, ...] = ()
    secret: frozenset[str] = frozenset()
    order: int = field(default=0, compare=False)

    @property
    def versioned(self) -> bool:
        """Tell whether assets of this kind have versions."""
        return self.lifecycle is Lifecycle.VERSIONED

    @property
    def runnable(self) -> bool:
        """Tell whether assets of this kind have runs."""
        return self.lifecycle is Lifecycle.RUNNABLE

    def claims(self, data: Spec) -> int:
        """Tell how surely a file without a ``$schema`` is of this kind: by how many keys, 0 for not at all."""
        if self.fragments and frozenset(data) in self.fragments:
            return 1
        if self.never & data.keys():
            return 0
        named = str(data.get("type", "")).lower()
        if self.types and named and named not in self.types:
            return 0
        return max((len(known) for known in self.keys if known <= data.keys()), default=0)

    def affects(self, name: str) -> bool:
        """Tell whether a field counts in the fingerprint."""
        return name not in self.in_place and name not in self.ignored
