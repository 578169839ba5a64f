"""model: a versioned model, from files or from the output of a job."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, Site, words
from reconciler.format.rules import MODEL_RULES

KIND = Kind(
    name="model",
    lifecycle=Lifecycle.VERSIONED,
    leaving=Leaving.ARCHIVE,
    schemas=r"model",
    keys=(words("name path type"), words("name path flavors")),
    types=words("custom_model mlflow_model triton_model"),
    in_place=words("description tags stage properties"),
    sites=(Site("/path", local=True),),
    stored=True,
    rules=MODEL_RULES,
    order=8,
)
