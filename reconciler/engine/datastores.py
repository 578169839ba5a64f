"""The provider of datastores: what a file declares is reached, and nothing of the service is made, changed or removed.

To create a datastore is to check that it can be reached with its credentials. Deleting it forgets it; its data stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Asset, Condition, Handle, Phase, Spec
from reconciler.model.datastores import Datastore, OpenDatastore
from reconciler.model.providers import REFUSED

# What a service says of the datastore itself. After any other error, such as no connection, nothing is known of it.
_REFUSALS = frozenset(
    {
        "datastore-credential",
        "datastore-credential-expired",
        "datastore-denied",
        "datastore-missing",
        "datastore-not-a-folder",
        "datastore-path-missing",
    }
)
MakeOpener = Callable[[Mapping[str, Spec]], OpenDatastore]
"""Returns what opens datastores by name, from the specs of those that files declare."""


class DatastoreResource:
    """Datastores as resources (`resources.Resource`); a handle has the name of one as its id.

    ``find_specs`` returns the specs of the datastores as they are recorded.
    """

    def __init__(self, provider: str, make_opener: MakeOpener, find_specs: Callable[[], Mapping[str, Spec]]) -> None:
        self._provider = provider
        self._make_opener = make_opener
        self._find_specs = find_specs
        self._specs: dict[str, Spec] = {}
        self._deleted: set[str] = set()

    def read(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        """Return whether datastores can be reached: ``failed`` if the service refuses, ``unknown`` if it is silent."""
        return {handle: self._read(handle.id) for handle in handles}

    def check(self, asset: Asset) -> None:
        """Check that a datastore can be reached; raises UserError if it cannot."""
        self._make_opener({asset.address.name: asset.spec})(asset.address.name).check()

    def create(self, asset: Asset, token: str) -> Handle:
        """Check that a datastore can be reached; raises UserError if it cannot."""
        del token  # nothing is made, so nothing is made twice
        return Handle(self._provider, asset.address.name, {"location": self._check(asset).location})

    def find(self, token: str) -> Handle | None:
        """Return None: an interrupted check has made nothing."""
        del token
        return None

    def update(self, handle: Handle, asset: Asset) -> None:
        """Check that a datastore can be reached as it is declared now; raises UserError if it cannot."""
        del handle
        self._check(asset)

    def delete(self, handle: Handle) -> None:
        """Forget a datastore; nothing of its data is touched."""
        self._deleted.add(handle.id)

    def _check(self, asset: Asset) -> Datastore:
        name = asset.address.name
        self._deleted.discard(name)
        datastore = self._make_opener({name: asset.spec})(name)
        datastore.check()
        self._specs[name] = asset.spec
        return datastore

    def _read(self, name: str) -> Condition:
        if name in self._deleted:
            return Condition(Phase.GONE)
        spec = self._specs.get(name) or self._find_specs().get(name)
        try:
            self._make_opener({name: spec} if spec else {})(name).check()
        except UserError as error:
            return _condition_of(error.diagnostics[0])
        return Condition(Phase.READY)


def _condition_of(problem: Diagnostic) -> Condition:
    if problem.code in _REFUSALS:
        return Condition(Phase.FAILED, REFUSED, problem.message)
    return Condition(Phase.UNKNOWN, message=problem.message)
