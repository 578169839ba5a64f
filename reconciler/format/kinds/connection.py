"""connection: another service, with what it takes to get in. Recorded only."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, words
from reconciler.format.rules import CONNECTION_RULES

KIND = Kind(
    name="connection",
    lifecycle=Lifecycle.NAMED,
    leaving=Leaving.DELETE,
    schemas=r"(workspace)?connection",
    keys=(words("name type target"), words("name type credentials")),
    # Those that no datastore has too; a connection of another type is told by its $schema or its target.
    types=words(
        "git container_registry python_feed s3 snowflake custom api_key open_ai serp serverless azure_sql_db "
        "azure_synapse_analytics azure_my_sql_db azure_postgres_db azure_open_ai azure_ai_services azure_ai_search "
        "azure_content_safety azure_speech_services"
    ),
    secret=words("credentials api_key client_secret password sas_token account_key key"),
    realises=lambda _spec: False,
    rules=CONNECTION_RULES,
    order=2,
)
