"""datastore: a place in a storage service. Recorded only, until a module of content/datastores/ reaches it."""

from reconciler.format.kind import Kind, Leaving, Lifecycle

KIND = Kind(
    name="datastore",
    lifecycle=Lifecycle.NAMED,
    leaving=Leaving.DELETE,
    schemas=frozenset({"azureblob"}),
    keys=(frozenset({"name", "type", "account_name"}),),
    in_place=frozenset({"description", "tags", "account_name", "container_name", "endpoint", "protocol"}),
    realised=False,
    order=3,
)
