"""data: a versioned file, folder or table, kept in the store by content."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, Site, words
from reconciler.format.rules import DATA_RULES

KIND = Kind(
    name="data",
    lifecycle=Lifecycle.VERSIONED,
    leaving=Leaving.ARCHIVE,
    in_place=words("description tags properties"),
    schemas=r"data",
    keys=(words("name path type"),),
    never=words("source"),
    types=words("uri_file uri_folder mltable"),
    sites=(Site("/path", local=True),),
    stored=True,
    rules=DATA_RULES,
    order=4,
)
