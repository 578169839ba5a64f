"""workspace: the workspace that the repository declares. Its provider is the live state."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, word_set

KIND = Kind(
    name="workspace",
    lifecycle=Lifecycle.SINGLETON,
    deletion_policy=DeletionPolicy.KEEP,
    schema_pattern=r"workspace|hub|project",
    key_sets=(
        word_set("name hbi_workspace"),
        word_set("managed_network"),  # a file that only updates a workspace, as the next one
        word_set("identity.user_assigned_identities"),
    ),
    common_key_sets=(word_set("name resource_group"),),
    in_place_fields=word_set(
        "description tags display_name public_network_access image_build_compute "
        "primary_user_assigned_identity identity managed_network network_acls serverless_compute "
        "system_datastores_auth_mode allow_roleassignment_on_rg"
    ),
    rule_set="workspace",
    order=1,
)
