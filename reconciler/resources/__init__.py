"""Providers of resources: what is made for an asset and exists until it is deleted, such as a compute or an endpoint.

A provider is a module of this package whose attribute ``RESOURCE`` is a `ResourcePlugin`, or an entry point of the
group ``mlgit.resources`` that names one. mlgit.yml binds a kind to one under ``providers:``. The contract tests run on
every provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from reconciler.model import Asset, Condition, Handle, Json
from reconciler.model.plugins import ResourcePlugin
from reconciler.registry import Registry


class Resource(Protocol):
    """Makes resources. Every method raises UserError if the provider cannot be reached or refuses, but `read`."""

    def read(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        """Return the condition of each resource: ``gone`` only if the provider answered that it has none.

        While the provider cannot be reached, every condition is ``unknown``. The condition of a resource that can be
        changed without mlgit has its ``settings``: what is not reported is not compared with the declaration.
        """
        ...

    def check(self, asset: Asset) -> None:
        """Ask whether a resource can be made as declared; what it is to replace is removed after that."""
        ...

    def create(self, asset: Asset, token: str) -> Handle:
        """Make a resource and return its handle; if one was made with this token, return that and make nothing."""
        ...

    def find(self, token: str) -> Handle | None:
        """Return the resource that was made with a token; None if the provider answered that it has none."""
        ...

    def update(self, handle: Handle, asset: Asset) -> None:
        """Make a resource as declared. It is no error if it is so already."""
        ...

    def delete(self, handle: Handle) -> None:
        """Ask for the removal of a resource; `read` reports ``gone`` after it. It is no error if it is gone already."""
        ...


RESOURCES: Registry[ResourcePlugin] = Registry("provider", __name__, "RESOURCE", "mlgit.resources")


def open_resources(settings: Mapping[str, Mapping[str, Json]]) -> dict[str, Resource]:
    """Return the providers by the kinds that mlgit.yml binds to them; each factory gets the settings.

    Raises UserError ``provider-unknown`` or ``provider-broken``.
    """
    return {kind: RESOURCES.open(kind_settings["type"], kind_settings) for kind, kind_settings in settings.items()}
