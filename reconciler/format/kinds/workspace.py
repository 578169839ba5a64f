"""workspace: what this repository is. The live state itself realises it."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, words
from reconciler.format.rules import WORKSPACE_RULES

KIND = Kind(
    name="workspace",
    lifecycle=Lifecycle.NAMED,
    leaving=Leaving.KEEP,
    schemas=r"workspace|hub|project",
    keys=(
        words("name resource_group"),
        words("name managed_network"),
        words("name hbi_workspace"),
    ),
    fragments=(
        words("managed_network"),
        words("identity"),
    ),  # what an update of a workspace alone would give
    in_place=words(
        "description tags display_name public_network_access image_build_compute "
        "primary_user_assigned_identity identity managed_network network_acls serverless_compute "
        "system_datastores_auth_mode allow_roleassignment_on_rg"
    ),
    rules=WORKSPACE_RULES,
    order=1,
)
