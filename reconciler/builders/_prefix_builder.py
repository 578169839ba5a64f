"""What the builders share that install into a prefix of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.builders._imports import try_prefix_imports
from reconciler.builders._prefixes import PrefixFolder
from reconciler.builders._programs import terminate_children
from reconciler.model.builder import Built, LocalBuild


class PrefixBuilder:
    """A builder whose builds are prefixes in a folder of its own."""

    _prefixes: PrefixFolder

    def try_imports(self, built: Built, modules: Sequence[str]) -> str:
        return try_prefix_imports(built, modules)

    def find_base(self, _spec: Mapping[str, Any]) -> str:
        return ""

    def list_builds(self) -> tuple[LocalBuild, ...]:
        return self._prefixes.list_builds()

    def remove(self, build: LocalBuild) -> bool:
        return self._prefixes.remove(build)

    def stop(self) -> None:
        terminate_children()
