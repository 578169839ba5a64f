"""The packages of locks, and how two locks differ: ``scikit-learn 1.5.1 -> 1.5.2, +2, -1``."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.abbreviation import join_some
from reconciler.model import PackageDiff


def lock_packages(lock: str) -> dict[str, str]:
    """Return the versions of the packages of a lock in the form of pip, by name."""
    lines = (line.partition("==") for line in lock.splitlines() if line[:1].isalnum())
    return {name.partition("[")[0].strip(): version.split()[0].rstrip(";\\") for name, _, version in lines if version}


def diff_packages(before: Mapping[str, str], after: Mapping[str, str]) -> PackageDiff:
    """Return how packages differ."""
    common = sorted(before.keys() & after.keys())
    return PackageDiff(
        {name: (before[name], after[name]) for name in common if before[name] != after[name]},
        {name: after[name] for name in sorted(after.keys() - before.keys())},
        {name: before[name] for name in sorted(before.keys() - after.keys())},
    )


def diff_locks(before: str, after: str) -> PackageDiff:
    """Return how the packages of two locks differ."""
    return diff_packages(lock_packages(before), lock_packages(after))


def package_lines(diff: PackageDiff) -> list[str]:
    """Return how packages differ, a line for each."""
    return [
        *(f"~ {name} {before} -> {after}" for name, (before, after) in diff.changed.items()),
        *(f"+ {name} {version}" for name, version in diff.added.items()),
        *(f"- {name} {version}" for name, version in diff.removed.items()),
    ]


def summarize_packages(diff: PackageDiff) -> str:
    """Return how packages differ in one line: those that changed by name, how many were added and removed."""
    parts = [join_some([f"{name} {old} -> {new}" for name, (old, new) in diff.changed.items()])] if diff.changed else []
    parts += [f"{sign}{len(names)}" for sign, names in (("+", diff.added), ("-", diff.removed)) if names]
    return ", ".join(parts) or "unchanged"
