"""A schema that is compiled as a whole, for many files, and by branch, for a few, gives the same verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from workspaces import SMALL

from reconciler.format import schemas
from reconciler.format.kinds import kinds
from reconciler.format.yaml import parse_yaml
from reconciler.model import Json

TEMPLATE = Path(__file__).parents[2] / "workspace-template"
MORE = {
    "pipeline.yml": "type: pipeline\njobs: {a: {type: command, component: azureml:c, compute: azureml:c}}\n",
    "sweep.yml": (
        "type: sweep\ntrial: {command: a, environment: azureml:e}\nsampling_algorithm: random\n"
        "search_space: {a: {type: choice, values: [1]}}\nobjective: {goal: minimize, primary_metric: m}\n"
    ),
    "spark.yml": "type: spark\ncode: .\nentry: {file: a.py}\ncompute: azureml:c\n",
    "automl.yml": "type: automl\ntask: forecasting\nprimary_metric: x\ntraining_data: {type: mltable, path: a}\n",
    "schedule.yml": "name: s\ntrigger: {type: cron, expression: 0 0 * * *}\ncreate_job: a.yml\n",
    "datastore.yml": "type: azure_blob\nname: b\naccount_name: a\ncontainer_name: c\n",
    "compute.yml": "type: amlcompute\nname: c\nsize: standard_d2\nmin_instances: 0\nmax_instances: 1\n",
    "list.yml": "[1, 2]\n",
    "text.yml": "text\n",
}
TYPES = ["command", "Pipeline", "sweep", "spark", "automl", "parallel", "amlcompute", "azure_blob", "unknown", 1, None]
TEXTS = {
    **SMALL,
    **{str(path.relative_to(TEMPLATE)): path.read_text("utf-8") for path in sorted(TEMPLATE.rglob("*.yml"))},
    **MORE,
}
DOCUMENTS = {name: parse_yaml(name, text.encode())[0].data for name, text in TEXTS.items() if name.endswith(".yml")}


def variants(data: Json) -> Iterator[Json]:
    """Yield a document, and the same with each key removed, renamed and set to another value, and of each type."""
    yield data
    for name in data if isinstance(data, dict) else ():
        rest = {key: value for key, value in data.items() if key != name}
        yield from (rest, {**rest, f"{name}x": data[name]}, {**rest, name: 1}, {**rest, name: {"x": []}})
    yield from ({**data, "type": value} for value in TYPES) if isinstance(data, dict) else ()


@pytest.mark.parametrize("kind", kinds())
def test_a_whole_schema_and_the_branches_of_it_accept_the_same_documents(kind, monkeypatch):
    monkeypatch.setattr(schemas, "_whole_validators", {})
    documents = [variant for data in DOCUMENTS.values() for variant in variants(data)]
    by_branch = [schemas.is_valid_for_schema(document, kind) for document in documents]
    schemas.compile_schemas([kind])
    assert [schemas.is_valid_for_schema(document, kind) for document in documents] == by_branch
    assert not all(by_branch)


@pytest.mark.parametrize("kind", ["component", "data", "environment", "job"])
def test_the_documents_are_accepted_by_some_schemas(kind):
    assert any(schemas.is_valid_for_schema(document, kind) for document in DOCUMENTS.values())
