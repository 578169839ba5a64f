"""The settings of a resource as its provider reports them, compared with the record of its asset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reconciler.abbreviation import join_some
from reconciler.format.kinds import kind_by_name
from reconciler.format.pointers import escape_key, find_value, split_pointer
from reconciler.format.schema_leaves import is_default_value
from reconciler.model import Json, Record, Spec
from reconciler.planning.diff import format_value
from reconciler.secrets.fields import is_secret_at
from reconciler.secrets.redact import hide_secrets


class ChangedSetting(NamedTuple):
    """A setting of a resource by its JSON pointer: the recorded value, None if there is none, and the live one."""

    pointer: str
    recorded: Json
    live: Json

    @property
    def field(self) -> str:
        """The name of the field that has the setting, at the top of the file."""
        return split_pointer(self.pointer)[0]

    def __str__(self) -> str:
        parts = split_pointer(self.pointer)
        name = ".".join(parts)
        live, recorded = (format_value(hide_secrets(value, parts)) for value in (self.live, self.recorded))
        return f"{name} is {live}, not {'set' if self.recorded is None else recorded}"


def find_changed_settings(record: Record) -> tuple[ChangedSetting, ...]:
    """Return the settings that the provider of a resource reports otherwise than they are recorded.

    What it does not report is not compared, nor are secrets, and a default value that is recorded as unset.
    """
    if record.condition is None or record.handle is None or record.intent is not None:
        return ()
    return tuple(_compare(record, record.condition.settings, ()))


def are_in_place(record: Record, settings: tuple[ChangedSetting, ...]) -> bool:
    """Return True if a resource can be given other settings without making it anew."""
    return all(setting.field in kind_by_name(record.address.kind).in_place_fields for setting in settings)


def format_changed_settings(settings: tuple[ChangedSetting, ...]) -> str:
    """Return changed settings as a phrase: ``max_instances is 3, not 1``; or ``..., not set``."""
    return join_some([str(setting) for setting in settings], separator="; ")


def describe_change(record: Record, settings: tuple[ChangedSetting, ...]) -> str:
    """Return that a resource has other settings, with what its provider says of it."""
    cause = f": {record.condition.message}" if record.condition and record.condition.message else ""
    return f"its provider has other settings: {format_changed_settings(settings)}{cause}"


def overwritten_settings(record: Record, spec: Spec) -> tuple[ChangedSetting, ...]:
    """Return the changed settings that a spec would set back, because it has the recorded value, not another one."""
    settings = find_changed_settings(record)
    return tuple(item for item in settings if find_value(spec, split_pointer(item.pointer)) == item.recorded)


def _compare(record: Record, live: Mapping[str, Json], parts: tuple[str, ...]) -> Iterator[ChangedSetting]:
    kind = kind_by_name(record.address.kind)
    for key, value in live.items():
        path = (*parts, key)
        if value is None or path[0] in kind.secret_fields or is_secret_at(path):
            continue
        if isinstance(value, Mapping):
            yield from _compare(record, value, path)
            continue
        pointer = "".join(f"/{escape_key(part)}" for part in path)
        recorded = find_value(record.spec, path)
        is_unset_default = recorded is None and is_default_value(kind.name, "", pointer, value)
        if recorded != value and not is_unset_default:
            yield ChangedSetting(pointer, recorded, value)
