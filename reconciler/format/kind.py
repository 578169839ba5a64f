"""The ``Kind`` of an asset: a value with traits. Code asks the traits and never compares names of kinds."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from reconciler.model import Spec


class Lifecycle(StrEnum):
    """How assets of a kind change: in place, by new versions, or by new runs."""

    SINGLETON = "named"
    VERSIONED = "versioned"
    RUNNABLE = "runnable"


class DeletionPolicy(StrEnum):
    """What happens to a live asset when its file is removed from Git."""

    KEEP = "keep"
    DELETE = "delete"
    ARCHIVE = "archive"


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text, to write sets of field names without quotes and commas."""
    return frozenset(text.split())


_AZURE_SIGNS = ("azureml:", "/subscriptions/")


class IdentifyingKeys(NamedTuple):
    """What identifies a file without ``$schema``.

    ``names`` are its keys, and those of the mappings below them as ``credentials.type``. ``has_reference`` is True if a
    value at its top refers to Azure ML or to a resource of Azure.
    """

    names: frozenset[str]
    type_name: str
    has_reference: bool


def identifying_keys(data: Spec) -> IdentifyingKeys:
    """Return what identifies a document."""
    inner = (f"{key}.{name}" for key, value in data.items() if isinstance(value, dict) for name in value)
    signs = (isinstance(value, str) and value.lower().startswith(_AZURE_SIGNS) for value in data.values())
    return IdentifyingKeys(frozenset((*data, *inner)), str(data.get("type", "")).lower(), any(signs))


_NAME_AND_TYPE = word_set("name type")
DESCRIPTIVE_FIELDS = word_set("/$schema /id /name /version /display_name /description /tags /properties")

KindResolver = Callable[[Spec], str]


class SpecParts(NamedTuple):
    """What of a spec counts in the fingerprint, and what changes in place; values stay at their JSON pointers."""

    identifying: Spec
    in_place: Spec


class FileContent(StrEnum):
    """What a file has, which decides the fields that name other files: a node of a pipeline, such as a component."""

    NODE = "node"
    ENVIRONMENT = "environment"
    PLAIN = "plain"


class ReferenceSite(NamedTuple):
    """A field that can hold a reference or a path: a JSON pointer with ``*`` for any key or list index.

    ``kind`` is the kind of the referenced asset, or a function of the mapping that contains the field. With
    ``allows_local_path`` a plain string is a path relative to the file. With ``allows_file_prefix`` ``file:PATH`` names
    a YAML file that is inlined. With ``allows_plain_name`` a name alone is a reference. ``is_additional_include`` paths
    are copied beside the code under their own name. A site that ``is_literal`` has a plain value, which names something
    only if mlgit.yml has a mirror of it. One that ``is_destination`` names where data is written: in a datastore.
    """

    pointer: str
    kind: str | KindResolver = ""
    allows_local_path: bool = False
    allows_file_prefix: bool = False
    is_additional_include: bool = False
    is_literal: bool = False
    is_destination: bool = False
    allows_plain_name: bool = False

    def target_kind(self, parent: Spec) -> str:
        """Return the kind of an asset that is referenced here; ``parent`` is the mapping that contains the field."""
        return self.kind if isinstance(self.kind, str) else self.kind(parent)


class Kind(NamedTuple):
    """A kind of asset and its traits.

    A file is of this kind if the name in its ``$schema`` URL, in lower case, matches ``schema_pattern``. A file without
    ``$schema`` is of this kind if it has all of one of ``key_sets``, or a name and one of ``distinctive_types``, but
    none of ``excluded_keys``, and no ``type`` other than ``types``. ``common_key_sets`` are keys that other YAML files
    have as well: they count only beside a value that refers to Azure ML, or in a file that satisfies the schema of the
    kind.

    - ``any_type_keys``: a file with all of these is of this kind whatever its type, which then is wrong.
    - ``parent_field``: the field whose value is the namespace of the asset's name, as the endpoint of a deployment.
    - ``in_place_fields``: a change of these is an update; of others a new version, a new run or a replacement.
    - ``ignored_fields``: a change of these is no change.
    - ``split_nested``: splits a spec in which other specs are nested, such as that of a pipeline, into what counts and
      what changes in place, at every level; returns None for a spec of one level.
    - ``node_sites``: the sites of the nodes in an asset, such as the steps of a pipeline and their components.
    - ``file_content``: which fields may name a YAML file, whose content replaces the name.
    - ``secret_fields``: the values of these are never recorded or shown.
    - ``descriptive_fields``: the JSON pointers of what says what an asset is called, and asks nothing of a provider.
    - ``is_model``: its files are a model: they are stored when it is registered, wherever they are, they are read as
      its type has them (``format.model_files``), and they keep the name of their folder.
    - ``is_supported``: whether a provider realises an asset; others are *recorded only*.
    - ``provider``: the provider that realises its assets unless mlgit.yml binds the kind to another one.
    - ``is_data``: it is files rather than a description, so a plan says how many changed, and how large they are.
    - ``rule_set``: the name of its rules in ``format.rules``, which are loaded only to check a file.
    - ``order``: the position of the kind in a plan.
    """

    name: str
    lifecycle: Lifecycle
    deletion_policy: DeletionPolicy
    schema_pattern: str
    key_sets: tuple[frozenset[str], ...] = ()
    common_key_sets: tuple[frozenset[str], ...] = ()
    types: frozenset[str] = frozenset()
    distinctive_types: frozenset[str] = frozenset()
    excluded_keys: frozenset[str] = frozenset()
    any_type_keys: frozenset[str] = frozenset()
    parent_field: str = ""
    in_place_fields: frozenset[str] = word_set("description tags")
    ignored_fields: frozenset[str] = word_set("$schema name version id")
    split_nested: Callable[[Kind, Spec], SpecParts | None] = lambda _kind, _spec: None
    reference_sites: tuple[ReferenceSite, ...] = ()
    node_sites: tuple[ReferenceSite, ...] = ()
    file_content: FileContent = FileContent.PLAIN
    uses_builder: bool = False
    uses_backend: bool = False
    uses_store: bool = False
    is_model: bool = False
    is_data: bool = False
    is_supported: Callable[[Spec], bool] = lambda _spec: True
    provider: str = ""
    rule_set: str = ""
    secret_fields: frozenset[str] = frozenset()
    descriptive_fields: frozenset[str] = DESCRIPTIVE_FIELDS
    order: int = 0

    def recorded_only_reason(self, spec: Spec) -> str:
        """Return why an asset is recorded only: that no provider realises it; "" if one does."""
        if self.is_supported(spec):
            return ""
        return f"mlgit cannot run {spec.get('type')} jobs" if self.is_runnable else "no provider for this kind"

    @property
    def is_versioned(self) -> bool:
        """True if assets of this kind have versions."""
        return self.lifecycle is Lifecycle.VERSIONED

    @property
    def is_runnable(self) -> bool:
        """True if assets of this kind have runs."""
        return self.lifecycle is Lifecycle.RUNNABLE

    def match_score(self, keys: IdentifyingKeys) -> int:
        """Return how many distinctive keys identify a file without ``$schema`` as this kind, 0 if it is not."""
        key_sets = self.key_sets
        if keys.type_name in self.distinctive_types:
            key_sets = (*key_sets, _NAME_AND_TYPE)
        if keys.has_reference:
            key_sets = (*key_sets, *self.common_key_sets)
        return self._longest_match(keys, key_sets)

    def common_match_score(self, keys: IdentifyingKeys) -> int:
        """Return how many keys that are not distinctive a file without ``$schema`` has, 0 if it is of another kind."""
        return self._longest_match(keys, self.common_key_sets)

    def _longest_match(self, keys: IdentifyingKeys, key_sets: tuple[frozenset[str], ...]) -> int:
        is_other_type = bool(self.types and keys.type_name and keys.type_name not in self.types)
        is_any_type = bool(self.any_type_keys) and self.any_type_keys <= keys.names
        if self.excluded_keys & keys.names or (is_other_type and not is_any_type):
            return 0
        return max((len(key_set) for key_set in key_sets if key_set <= keys.names), default=0)

    def is_fingerprint_field(self, name: str) -> bool:
        """Return True if a field counts in the fingerprint."""
        return name not in self.in_place_fields and name not in self.ignored_fields

    def split_spec(self, spec: Spec) -> SpecParts:
        """Return what of a spec counts in the fingerprint, and what changes in place."""
        return self.split_nested(self, spec) or SpecParts(
            {name: value for name, value in spec.items() if self.is_fingerprint_field(name)},
            {name: value for name, value in spec.items() if name in self.in_place_fields},
        )
