"""connection: the address and credentials of an external service. Recorded only."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, word_set

KIND = Kind(
    name="connection",
    lifecycle=Lifecycle.SINGLETON,
    deletion_policy=DeletionPolicy.DELETE,
    schema_pattern=r"(workspace)?connection",
    key_sets=(
        word_set("target credentials.type"),
        word_set("name type credentials.type"),
        word_set("name type target credentials"),
    ),
    any_type_keys=word_set("name target credentials.type"),
    common_key_sets=(word_set("name type target"), word_set("name type credentials")),
    # Types that no datastore has. A connection of another type is detected by its $schema or its target.
    types=word_set(
        "git container_registry python_feed s3 snowflake custom api_key open_ai serp serverless azure_sql_db "
        "azure_synapse_analytics azure_my_sql_db azure_postgres_db azure_open_ai azure_ai_services azure_ai_search "
        "azure_content_safety azure_speech_services"
    ),
    secret_fields=word_set("credentials api_key client_secret password sas_token account_key key"),
    is_supported=lambda _spec: False,
    rule_set="connection",
    order=2,
)
