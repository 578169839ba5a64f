"""A field of a pipeline node that takes a value takes an expression too: ``${{parent.inputs.NAME}}``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import jsonschema_rs
import pytest

from reconciler.format.load import load_asset_file
from reconciler.format.pointers import find_value, split_pointer
from reconciler.format.schema_errors import schema_validator
from reconciler.format.schema_files import load_schemas
from reconciler.format.schemas import is_valid_for_schema
from reconciler.model import Json

EXPRESSION = "${{parent.inputs.x}}"
NODES = {
    **{
        name: f"defs/pipeline-nodes.schema.json#/$defs/{name}"
        for name in ("command", "sweep", "parallel", "pipeline", "spark", "import")
    },
    "data_transfer": "defs/data-transfer.schema.json#/$defs/node",
    "automl": "defs/automl.schema.json#/$defs/node",
}
MAX_DEPTH = 6
# What says of which form a value is, and not what it is; and the interface that an inline component declares.
DISCRIMINATORS = {"type", "task", "$schema"}
DECLARATIONS = {"inputs", "outputs", "source", "output", "is_deterministic", "auto_delete_setting", "id", "name"}
DEFINITIONS = {"environment"}  # what the environment is, not a value of the run
SCALARS = {"string", "integer", "number", "boolean", "null"}


class Fields:
    """The fields of a schema with the schemas of their values, in all branches and below."""

    def __init__(self) -> None:
        self._visited: set[tuple[str, tuple[str, ...]]] = set()

    def of(self, schema: Json, file: str, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Json, str]]:
        if not isinstance(schema, dict) or len(path) > MAX_DEPTH:
            return
        if "$ref" in schema:
            yield from self._of_reference(urljoin(file, schema["$ref"]), path)
        for name, value in schema.get("properties", {}).items():
            if isinstance(value, dict):
                yield (*path, name), value, file
                yield from self.of(value, file, (*path, name))
        for keyword in ("additionalProperties", "items"):
            yield from self.of(schema.get(keyword), file, (*path, "*"))
        branches = [branch for keyword in ("allOf", "anyOf", "oneOf") for branch in schema.get(keyword, ())]
        for branch in (*branches, schema.get("then"), schema.get("else")):
            yield from self.of(branch, file, path)

    def _of_reference(self, url: str, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Json, str]]:
        if (url, path) not in self._visited:
            self._visited.add((url, path))
            file, _, pointer = url.partition("#")
            yield from self.of(find_value(load_schemas()[file], split_pointer(pointer)), file, path)


def with_absolute_references(schema: Json, file: str) -> Json:
    if isinstance(schema, dict):
        return {
            key: urljoin(file, value)
            if key == "$ref" and isinstance(value, str)
            else with_absolute_references(value, file)
            for key, value in schema.items()
        }
    return [with_absolute_references(item, file) for item in schema] if isinstance(schema, list) else schema


REGISTRY = jsonschema_rs.Registry(list(load_schemas().items()))


def accepts(schema: Json, file: str, value: Json) -> bool:
    absolute = with_absolute_references(schema, file)
    validator = jsonschema_rs.Draft202012Validator(
        absolute, registry=REGISTRY, pattern_options=jsonschema_rs.RegexOptions()
    )
    return validator.is_valid(value)


def takes_a_scalar(schema: Json, file: str) -> bool:
    """Return True if a field takes text, a number or a truth value, and not only a mapping or a list."""
    examples = [*schema.get("examples", ()), schema.get("const"), *schema.get("enum", ())]
    return any(accepts(schema, file, value) for value in ("a", 1, True, "azureml:a", *examples) if value is not None)


@pytest.mark.parametrize("node", NODES)
def test_every_value_of_a_node_may_be_an_expression(node):
    file, _, pointer = urljoin("https://mlgit.dev/schemas/", NODES[node]).partition("#")
    refused = set()
    fields = 0
    for path, schema, own_file in Fields().of(find_value(load_schemas()[file], split_pointer(pointer)), file):
        is_declaration = path[0] in {"component", "trial"} and len(path) > 1 and path[1] in DECLARATIONS
        if path[-1] in DISCRIMINATORS or is_declaration or DEFINITIONS & set(path):
            continue
        if takes_a_scalar(schema, own_file):
            fields += 1
            if not accepts(schema, own_file, EXPRESSION):
                refused.add("/".join(path))
    assert fields > 5
    assert refused == set()


NODE_FORMS: dict[str, dict[str, Any]] = {
    "spark": {
        "type": "spark",
        "component": "azureml:s:1",
        "resources": {"instance_type": EXPRESSION, "runtime_version": EXPRESSION},
    },
    "command": {
        "type": "command",
        "component": "azureml:c:1",
        "compute": EXPRESSION,
        "resources": {"instance_count": EXPRESSION, "instance_type": EXPRESSION, "shm_size": EXPRESSION},
        "limits": {"timeout": EXPRESSION},
        "queue_settings": {"job_tier": EXPRESSION, "priority": EXPRESSION},
        "distribution": {"type": "pytorch", "process_count_per_instance": EXPRESSION},
        "environment_variables": {"A": EXPRESSION},
    },
    "sweep": {
        "type": "sweep",
        "trial": "azureml:c:1",
        "search_space": {"lr": {"type": "uniform", "min_value": EXPRESSION, "max_value": EXPRESSION}},
        "objective": {"goal": EXPRESSION, "primary_metric": EXPRESSION},
        "sampling_algorithm": EXPRESSION,
        "limits": {"max_total_trials": EXPRESSION, "max_concurrent_trials": EXPRESSION, "timeout": EXPRESSION},
        "early_termination": {"type": "bandit", "slack_factor": EXPRESSION, "evaluation_interval": EXPRESSION},
    },
    "parallel": {
        "type": "parallel",
        "component": "azureml:p:1",
        "mini_batch_size": EXPRESSION,
        "logging_level": EXPRESSION,
        "error_threshold": EXPRESSION,
        "partition_keys": EXPRESSION,
        "max_concurrency_per_instance": EXPRESSION,
        "retry_settings": {"max_retries": EXPRESSION, "timeout": EXPRESSION},
    },
    "automl": {
        "type": "automl",
        "task": "classification",
        "training_data": EXPRESSION,
        "target_column_name": EXPRESSION,
        "primary_metric": EXPRESSION,
        "log_verbosity": EXPRESSION,
        "featurization": {"mode": EXPRESSION},
        "limits": {"max_trials": EXPRESSION, "enable_early_termination": EXPRESSION},
        "training": {"training_mode": EXPRESSION, "enable_stack_ensemble": EXPRESSION},
    },
    "pipeline": {"type": "pipeline", "component": "azureml:p:1", "settings": {"force_rerun": EXPRESSION}},
}


class OneFile:
    """The only file of a folder."""

    def __init__(self, text: str) -> None:
        self._raw = text.encode()

    def read_file(self, _path: str) -> bytes:
        return self._raw

    def exists(self, _path: str) -> bool:
        return False

    def display_path(self, path: str) -> str:
        return path


@pytest.mark.parametrize("form", NODE_FORMS)
@pytest.mark.parametrize("kind", ["job", "component"])
def test_expressions_in_the_fields_of_nodes_are_accepted(form, kind):
    pipeline = {
        "type": "pipeline",
        "inputs": {"x": {"type": "string", "default": "a"}},
        "jobs": {"n": NODE_FORMS[form]},
    }
    if kind == "component":
        pipeline["name"] = "p"
    else:
        pipeline |= {"inputs": {"x": "a"}, "compute": "azureml:c"}
    assert schema_validator(kind).is_valid(pipeline)
    assert is_valid_for_schema(pipeline, kind)
    asset = {"$schema": f"https://azuremlschemas.azureedge.net/latest/pipeline{kind.title()}.schema.json", **pipeline}
    loaded = load_asset_file(OneFile(f"{asset}".replace("'", '"')), "f.yml")
    assert loaded is not None
    assert loaded.diagnostics == ()
