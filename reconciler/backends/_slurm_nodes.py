"""The nodes of a Slurm cluster, as sinfo lists them, and whether one has what the settings of a backend ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.abbreviation import pluralize
from reconciler.backends._cluster_capacity import parse_devices
from reconciler.backends._slurm_script import longest_minutes
from reconciler.model import Json

NODE_FORMAT = "%P|%l|%s|%D|%c|%m|%G|%f"  # the groups of equal nodes of each partition
_FIELDS = 8
_MEBIBYTES = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}
_FEATURE = re.compile(r"[A-Za-z0-9_.=-]+")  # a constraint that is one feature, and no expression
_NONE = "(null)"


class Nodes(NamedTuple):
    """Equal nodes of a partition; ``seconds`` is the limit of a job there and ``most`` that of its nodes, None if any.

    ``memory`` is in MiB, ``devices`` as `parse_devices` returns them.
    """

    partition: str
    is_default: bool
    seconds: float | None
    most: int | None
    number: int
    cpus: int
    memory: int
    devices: Sequence[tuple[str, str, int]] = ()
    features: frozenset[str] = frozenset()

    def has(self, settings: Mapping[str, Json]) -> bool:
        """Return True if a node has the processors, the memory and the devices of a run."""
        return (
            (settings.get("cpus") or 1) <= self.cpus
            and _memory(settings) <= self.memory
            and all(count <= self.count_devices(name, type_) for name, type_, count in _devices(settings))
        )

    def count_devices(self, name: str, type_: str = "") -> int:
        """Return how many devices of a name a node has, of one type or of all."""
        return sum(count for own, own_type, count in self.devices if own == name and type_ in ("", own_type))

    def is_wanted(self, settings: Mapping[str, Json]) -> bool:
        """Return True unless a node lacks the feature that is the constraint of a run."""
        feature = _feature(settings)
        return not feature or feature in self.features


def parse_nodes(text: str) -> list[Nodes]:
    """Return the nodes of a listing; lines of another form are left out."""
    return list(_parse_lines(text.splitlines()))


def in_partitions(nodes: Iterable[Nodes], partition: str) -> list[Nodes]:
    """Return the nodes of a partition, or of several, or of the one that the cluster has by default."""
    names = partition.split(",") if partition else ()
    return [item for item in nodes if item.partition in names or (not names and item.is_default)]


def find_misfits(settings: Mapping[str, Json], nodes: Sequence[Nodes]) -> Iterator[tuple[str, str]]:
    """Yield what settings ask for that the nodes of their partition have not, with what there is, and what to do."""
    label = label_of(nodes)
    wanted = [item for item in nodes if item.is_wanted(settings)]
    if not wanted:
        features = ", ".join(sorted(frozenset().union(*(item.features for item in nodes)))) or "none"
        message = f"no node of {label} has the feature {_feature(settings)}; its features: {features}"
        yield message, "correct constraint: of the backend in mlgit.yml"
    elif not any(item.has(settings) for item in wanted):
        message = f"each run asks for {_describe(settings)}, and no node of {label} has that"
        hint = f"none has more than {_describe_most(settings, wanted)}; lower cpus:, memory: or gres: in mlgit.yml"
        yield message, hint
    minutes, seconds = longest_minutes(settings.get("time")), longest_seconds(nodes)
    if minutes and seconds is not None and minutes * 60 > seconds:
        message = f"a run may ask for time: {settings['time']}, and {label} ends jobs after {format_minutes(seconds)}"
        yield message, f"set time: {int(seconds // 60)}m or less in mlgit.yml"


def longest_seconds(nodes: Iterable[Nodes]) -> float | None:
    """Return the longest limit of the partitions of nodes; None if one has none."""
    limits = [item.seconds for item in nodes]
    return None if None in limits else max(filter(None, limits), default=None)


def count_nodes(settings: Mapping[str, Json], nodes: Iterable[Nodes]) -> int:
    """Return how many nodes one job can have at most: a job is in one partition."""
    counts: dict[str, int] = {}
    for item in nodes:
        if item.is_wanted(settings) and item.has(settings):
            total = counts.get(item.partition, 0) + item.number
            counts[item.partition] = total if item.most is None else min(total, item.most)
    return max(counts.values(), default=0)


def label_of(nodes: Iterable[Nodes]) -> str:
    """Return how the partitions of nodes are called."""
    names = list(dict.fromkeys(item.partition for item in nodes))
    return f"the partition{'s' if names[1:] else ''} {', '.join(names)}"


def format_minutes(seconds: float) -> str:
    """Return a time limit of Slurm in words."""
    return f"{seconds / 60:.12g} minutes"


def _parse_lines(lines: Iterable[str]) -> Iterator[Nodes]:
    for line in lines:
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != _FIELDS or not all(field.isdecimal() for field in fields[3:6]):
            continue
        name, limit, size, count, cpus, memory, gres, features = fields
        most = size.partition("-")[2] or size
        yield Nodes(
            name.removesuffix("*"),
            name.endswith("*"),
            _seconds(limit),
            int(most) if most.isdecimal() else None,
            int(count),
            int(cpus),
            int(memory),
            tuple(parse_devices("" if gres == _NONE else gres)),
            frozenset(() if features == _NONE else features.split(",")),
        )


def _seconds(limit: str) -> float | None:
    """Return a limit as ``2-12:30:00`` in seconds; None for ``infinite``."""
    days, _, rest = limit.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdecimal() for part in [*parts, days or "0"]):
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return int(days or 0) * 24 * 3600 + seconds


def _memory(settings: Mapping[str, Json]) -> float:
    memory = str(settings.get("memory") or "0M")
    return int(memory[:-1]) * _MEBIBYTES[memory[-1]]


def _devices(settings: Mapping[str, Json]) -> list[tuple[str, str, int]]:
    return parse_devices(settings.get("gres") or "")


def _feature(settings: Mapping[str, Json]) -> str:
    constraint = str(settings.get("constraint") or "")
    return constraint if _FEATURE.fullmatch(constraint) else ""


def _describe(settings: Mapping[str, Json]) -> str:
    names = (name for name in ("cpus", "memory", "gres") if settings.get(name))
    return ", ".join(f"{name}: {settings[name]}" for name in names)


def _describe_most(settings: Mapping[str, Json], nodes: Sequence[Nodes]) -> str:
    cpus, memory = max(item.cpus for item in nodes), max(item.memory for item in nodes)
    words = [pluralize(cpus, "processor"), f"{memory}M of memory"]
    for name, type_, _ in _devices(settings):
        most = max(item.count_devices(name, type_) for item in nodes)
        words.append(f"{name}:{type_}:{most}" if type_ else f"{name}:{most}")
    return f"{', '.join(words[:-1])} and {words[-1]}"
