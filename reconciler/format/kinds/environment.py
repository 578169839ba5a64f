"""environment: an image with packages on top, made by a builder."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, Site, words
from reconciler.format.rules import ENVIRONMENT_RULES

KIND = Kind(
    name="environment",
    lifecycle=Lifecycle.VERSIONED,
    leaving=Leaving.ARCHIVE,
    in_place=words("description tags properties"),
    schemas=r"environment",
    keys=(words("name image"), words("image conda_file"), words("name build")),
    sites=(Site("/build/path", local=True),),
    spliced=words("conda_file"),
    built=True,
    rules=ENVIRONMENT_RULES,
    order=5,
)
