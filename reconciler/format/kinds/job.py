"""job: work that is run once for each change of what it depends on."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, Site
from reconciler.model import Spec

_MODELS = frozenset({"custom_model", "mlflow_model", "triton_model"})


def _input_kind(around: Spec) -> str:
    return "model" if around.get("type") in _MODELS else "data"


KIND = Kind(
    name="job",
    lifecycle=Lifecycle.RUNNABLE,
    leaving=Leaving.ARCHIVE,
    schemas=frozenset({"commandjob"}),
    keys=(frozenset({"command", "environment", "compute"}),),
    # What says where, how long or under which title a run happens does not change its result.
    in_place=frozenset(
        {"description", "tags", "properties", "display_name", "experiment_name", "compute", "limits", "resources"}
    ),
    ignored=frozenset({"$schema", "name", "id", "status"}),
    sites=(
        Site("/code", local=True),
        Site("/environment", kind="environment"),
        Site("/compute", kind="compute"),
        Site("/inputs/*/path", kind=_input_kind, local=True),
    ),
    order=7,
)
