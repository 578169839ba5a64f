"""datastore: a container or share of a storage service. It is reached, and never made or emptied."""

from reconciler.format.kind import DESCRIPTIVE_FIELDS, DeletionPolicy, Kind, Lifecycle, word_set

KIND = Kind(
    name="datastore",
    lifecycle=Lifecycle.SINGLETON,
    deletion_policy=DeletionPolicy.DELETE,
    schema_pattern=r"azure(blob|file|datalakegen[12])|onelake|hdfs",
    key_sets=(word_set("name type account_name"),),
    common_key_sets=(word_set("name type"),),
    types=word_set("azure_blob azure_file azure_data_lake_gen1 azure_data_lake_gen2 one_lake"),
    in_place_fields=word_set(
        "description tags account_name container_name file_share_name filesystem store_name endpoint protocol "
        "credentials"
    ),
    secret_fields=word_set("credentials"),
    provider="datastores",
    descriptive_fields=DESCRIPTIVE_FIELDS | word_set("/type"),
    rule_set="datastore",
    order=3,
)
