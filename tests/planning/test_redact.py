from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from planning.project import SCHEMA, InMemoryProject, action_on, small

from reconciler.format.kinds import kinds
from reconciler.model import Address
from reconciler.render.sentences import action_sentence
from reconciler.secrets.redact import redact_spec
from reconciler.state import codec

STORE = Address("datastore", "store")
WORD = "hunter2"


def files(secret: str) -> dict[str, str]:
    text = "name: store\ntype: azure_blob\naccount_name: a\ncontainer_name: c\ncredentials:\n  account_key: "
    bound = "secrets: {key: {from: 'env:KEY', for: [datastore/store], fields: [/credentials/account_key]}}\n"
    config = {"mlgit.yml": f"{small()['mlgit.yml'].rstrip()}\n{bound}"}
    return {**small(), **config, "store.yml": SCHEMA.format("azureBlob") + text + secret + "\n"}


def test_no_secret_of_a_file_reaches_a_plan_or_a_record():
    project = InMemoryProject()
    plan = project.apply(files(WORD))
    assert WORD not in repr(plan.actions)
    assert WORD.encode() not in codec.encode_record(project.records[STORE])


def test_a_changed_secret_is_a_change_without_its_value():
    project = InMemoryProject()
    project.apply(files(WORD))
    action = action_on(project.plan(files("hunter3")), STORE)
    assert action_sentence(action) == "datastore/store: update in place, credentials.account_key changed"
    assert not any(action.address == STORE for action in project.plan(files(WORD)).actions)


def test_a_secret_in_a_record_of_an_older_mlgit_is_not_shown_either():
    project = InMemoryProject()
    project.apply(files(WORD))
    record = project.records[STORE]
    project.records[STORE] = replace(record, spec={**record.spec, "credentials": {"account_key": WORD}})
    assert WORD not in repr([(action.before, action.after) for action in project.plan(files("hunter3")).actions])


def test_the_digest_of_a_secret_differs_between_workspaces():
    kind = kinds()["datastore"]
    spec = {"credentials": {"account_key": WORD}}
    assert redact_spec(kind.secret_fields, spec, "a" * 32) != redact_spec(kind.secret_fields, spec, "b" * 32)


VALUES = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)


@given(VALUES)
def test_a_redacted_value_is_not_redacted_again(value):
    kind = kinds()["datastore"]
    once = redact_spec(kind.secret_fields, {"credentials": value, "name": "x"}, "l")
    assert redact_spec(kind.secret_fields, once, "l") == once
    assert once["name"] == "x"
