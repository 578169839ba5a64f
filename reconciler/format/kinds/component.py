"""component: a reusable step with declared inputs and outputs."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, Site, words
from reconciler.format.kinds._parts import code_sites, pipeline_sites
from reconciler.format.rules import COMPONENT_RULES

KIND = Kind(
    name="component",
    lifecycle=Lifecycle.VERSIONED,
    leaving=Leaving.ARCHIVE,
    schemas=r".*component",
    keys=(words("name command environment"), words("name type jobs outputs")),
    never=words("compute experiment_name limits services"),
    types=words("command pipeline parallel spark automl import data_transfer"),
    in_place=words("description tags display_name properties"),
    sites=(*code_sites(), Site("/environment", kind="environment", file=True), *pipeline_sites()),
    stored=True,
    rules=COMPONENT_RULES,
    order=6,
)
