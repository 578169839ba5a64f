"""Tasks as JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.content import Content
from reconciler.model.task_json import task_from_json, task_to_json
from reconciler.model.tasks import (
    Compute,
    Image,
    Prefix,
    Resources,
    Task,
    TaskContent,
    TaskLiteral,
    TaskOutput,
    TaskUri,
)

texts = st.text(max_size=8)
texts_by_name = st.dictionaries(texts, texts, max_size=3)
literals = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts)
contents = st.builds(Content, texts, texts, st.integers(0), st.integers(0), texts)
inputs = st.one_of(
    st.builds(TaskLiteral, literals), st.builds(TaskUri, texts), st.builds(TaskContent, texts, texts, contents)
)
prefixes = st.builds(Prefix, texts, texts, texts_by_name, st.lists(texts, max_size=2).map(tuple))
environments = st.one_of(prefixes, st.builds(Image, texts, texts, texts_by_name))
tasks = st.builds(
    Task,
    run=texts,
    address=texts,
    token=texts,
    command=texts,
    environment=environments,
    step=texts,
    code=st.one_of(st.none(), contents),
    inputs=st.dictionaries(texts, inputs, max_size=3),
    outputs=st.dictionaries(texts, st.builds(TaskOutput, texts), max_size=3),
    compute=st.builds(Compute, texts, st.dictionaries(texts, literals, max_size=3)),
    resources=st.builds(Resources, timeout=st.one_of(st.none(), st.floats(0, 1e6))),
    distribution=st.dictionaries(texts, literals, max_size=3),
    variables=texts_by_name,
)


@given(tasks)
def test_a_task_is_read_back_from_json_as_it_was(task):
    assert task_from_json(json.loads(json.dumps(task_to_json(task)))) == task
