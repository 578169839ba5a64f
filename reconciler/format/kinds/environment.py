"""environment: an image with packages, built by a builder."""

from reconciler.format.kind import (
    DESCRIPTIVE_FIELDS,
    DeletionPolicy,
    FileContent,
    Kind,
    Lifecycle,
    ReferenceSite,
    word_set,
)

KIND = Kind(
    name="environment",
    lifecycle=Lifecycle.VERSIONED,
    deletion_policy=DeletionPolicy.ARCHIVE,
    in_place_fields=word_set("description tags properties"),
    schema_pattern=r"environment",
    key_sets=(word_set("image conda_file"), word_set("build conda_file"), word_set("name conda_file")),
    common_key_sets=(word_set("name image"), word_set("name build")),
    reference_sites=(ReferenceSite("/build/path", allows_local_path=True),),
    file_content=FileContent.ENVIRONMENT,
    uses_builder=True,
    uses_store=True,
    descriptive_fields=DESCRIPTIVE_FIELDS | word_set("/conda_file/name /conda_file/prefix"),
    rule_set="environment",
    order=5,
)
