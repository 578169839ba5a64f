"""What a plan asks of the backend `ray` on this machine, without opening it: whether it can reach who submits."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.backends import _ssh_find
from reconciler.backends._ray_cluster_settings import find_ssh_settings
from reconciler.diagnostics import Diagnostic
from reconciler.model import Json


def find_refusals(settings: Mapping[str, Json]) -> tuple[Diagnostic, ...]:
    """Return why this machine could submit no run."""
    if "hosts" in settings:
        return _ssh_find.find_refusals(find_ssh_settings(settings, settings["hosts"][0]))
    return _ssh_find.find_refusals(settings) if "machine" in settings else ()
