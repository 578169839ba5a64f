"""model-package: a model with what it takes to serve it. Recorded only."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, words
from reconciler.format.rules import MODEL_PACKAGE_RULES

KIND = Kind(
    name="model-package",
    lifecycle=Lifecycle.VERSIONED,
    leaving=Leaving.ARCHIVE,
    schemas=r"modelversionpackage|modelpackage",
    keys=(
        words("base_environment_source target_environment"),
        words("inferencing_server target_environment"),
    ),
    realises=lambda _spec: False,
    rules=MODEL_PACKAGE_RULES,
    order=9,
)
