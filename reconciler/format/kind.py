"""What a kind of asset is: a value with traits. Everything that differs by kind is asked of it, never of a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.format.rule_context import Rule
from reconciler.model import Spec


class Lifecycle(StrEnum):
    """How an asset of a kind changes: in place by its name, by new versions, or by new runs."""

    SINGLETON = "named"
    VERSIONED = "versioned"
    RUNNABLE = "runnable"


class DeletionPolicy(StrEnum):
    """What becomes of the live asset when its file leaves Git."""

    KEEP = "keep"
    DELETE = "delete"
    ARCHIVE = "archive"


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text: names of fields are easier to read without quotes and commas."""
    return frozenset(text.split())


KindResolver = Callable[[Spec], str]


@dataclass(frozen=True, slots=True)
class ReferenceSite:
    """A place in a spec that mentions something: a JSON pointer with ``*`` for any key, or any place in a list.

    ``kind`` is the kind of asset that a reference there means; where what stands beside it decides, a function
    of the mapping around it. ``local`` says that a plain string there is a path from the file, ``file`` that
    ``file:PATH`` names a YAML file that is part of this one, ``added`` that the path is laid out beside the code, under
    its own name.
    """

    pointer: str
    kind: str | KindResolver = ""
    allows_local_path: bool = False
    allows_file_prefix: bool = False
    is_additional_include: bool = False

    def target_kind(self, around: Spec) -> str:
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
    deletion_policy: DeletionPolicy
    schema_pattern: str
    key_sets: tuple[frozenset[str], ...] = ()
    types: frozenset[str] = frozenset()
    excluded_keys: frozenset[str] = frozenset()
    exact_key_sets: tuple[frozenset[str], ...] = ()
    parent_field: str = ""
    in_place_fields: frozenset[str] = word_set("description tags")
    ignored_fields: frozenset[str] = word_set("$schema name version id")
    reference_sites: tuple[ReferenceSite, ...] = ()
    inlined_fields: frozenset[str] = frozenset()
    uses_builder: bool = False
    uses_backend: bool = False
    uses_store: bool = False
    is_supported: Callable[[Spec], bool] = lambda _spec: True
    rules: tuple[Rule, ...] = ()
    secret_fields: frozenset[str] = frozenset()
    order: int = field(default=0, compare=False)

    @property
    def is_versioned(self) -> bool:
        """Tell whether assets of this kind have versions."""
        return self.lifecycle is Lifecycle.VERSIONED

    @property
    def is_runnable(self) -> bool:
        """Tell whether assets of this kind have runs."""
        return self.lifecycle is Lifecycle.RUNNABLE

    def match_score(self, data: Spec) -> int:
        """Tell how surely a file without a ``$schema`` is of this kind: by how many keys, 0 for not at all."""
        if self.exact_key_sets and frozenset(data) in self.exact_key_sets:
            return 1
        if self.excluded_keys & data.keys():
            return 0
        named = str(data.get("type", "")).lower()
        if self.types and named and named not in self.types:
            return 0
        return max((len(known) for known in self.key_sets if known <= data.keys()), default=0)

    def is_fingerprint_field(self, name: str) -> bool:
        """Tell whether a field counts in the fingerprint."""
        return name not in self.in_place_fields and name not in self.ignored_fields
