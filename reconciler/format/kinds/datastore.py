"""datastore: a place in a storage service. Recorded only, until a module of content/datastores/ reaches it."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, words
from reconciler.format.rules import DATASTORE_RULES

KIND = Kind(
    name="datastore",
    lifecycle=Lifecycle.NAMED,
    leaving=Leaving.DELETE,
    schemas=r"azure(blob|file|datalakegen[12])|onelake|hdfs",
    keys=(words("name type"),),
    types=words("azure_blob azure_file azure_data_lake_gen1 azure_data_lake_gen2 one_lake"),
    in_place=words(
        "description tags account_name container_name file_share_name filesystem store_name endpoint protocol "
        "credentials"
    ),
    secret=words("credentials"),
    realises=lambda _spec: False,
    rules=DATASTORE_RULES,
    order=3,
)
