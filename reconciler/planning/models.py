"""What the files of a model say, as far as Git has them: the model is in the repository, not behind a URI or a run."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.format.model_files import has_layout, inspect_model, list_model_files
from reconciler.model import EMPTY_MAPPING, Json, ResolvedAsset, Tree


def model_facts(tree: Tree, resolved: ResolvedAsset) -> Mapping[str, Json]:
    """Return what the files of a model say; nothing where Git does not have them, or for a custom model."""
    type_name = str(resolved.asset.spec.get("type", ""))
    path = next((path.path for path in resolved.asset.paths if path.pointer == "/path"), None)
    if path is None or not has_layout(type_name) or not tree.exists(path):
        return EMPTY_MAPPING
    return inspect_model(type_name, list_model_files(tree, path)).facts
