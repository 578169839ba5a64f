from __future__ import annotations

import pytest

from reconciler.config.affinity import check_ephemeral_machine, check_host_affinity
from reconciler.config.config import parse_config
from reconciler.config.targets import document_for_target
from reconciler.diagnostics import Severity, Span
from reconciler.format.yaml import parse_yaml

pytestmark = pytest.mark.fast

STATE = 'state:\n  {name: small, lineage: "11111111111111111111111111111111",\n   remote: origin}\n'
SINGLE_HOST_BACKENDS = {"local"}


def check(text: str, target: str = "default") -> list[tuple[str, Span | None]]:
    document, _ = parse_yaml("mlgit.yml", text.encode())
    config, diagnostics = parse_config(document, target)
    assert config is not None, diagnostics
    merged = document_for_target(document, target)
    return [
        (diagnostic.code, diagnostic.span) for diagnostic in check_host_affinity(merged, config, SINGLE_HOST_BACKENDS)
    ]


def test_a_shared_state_refuses_a_store_and_a_backend_of_one_machine():
    text = STATE + "store:\n  path: data\nbackends:\n  local: {type: local}\n  far: {type: local}\n"
    assert check(text) == [
        ("store-not-shared", Span("mlgit.yml", 5, 9)),
        ("backend-not-shared", Span("mlgit.yml", 7, 10)),
    ]


def test_a_default_that_cannot_be_shared_is_reported_at_the_remote():
    span = Span("mlgit.yml", 3, 12)
    assert check(STATE) == [("store-not-shared", span), ("backend-not-shared", span)]


@pytest.mark.parametrize("store", ["path: /srv/store", "host: big"])
def test_a_shared_store_and_a_store_with_a_host_are_accepted(store):
    assert check(STATE + f"store: {{{store}}}\nbackends: {{local: {{type: local, host: big}}}}\n") == []


def test_a_state_without_a_remote_needs_no_hosts():
    assert check('state: {name: small, lineage: "11111111111111111111111111111111"}\n') == []


def test_a_target_with_a_remote_is_checked_with_its_own_settings():
    text = 'state: {name: small, lineage: "11111111111111111111111111111111"}\n'
    text += "targets:\n  prod:\n    state: {remote: origin}\n    backends: {local: {type: local, host: big}}\n"
    assert check(text) == []
    assert check(text, "prod") == [("store-not-shared", Span("mlgit.yml", 4, 21))]


def lost_with_a_runner(text: str, host: str = "runner") -> list[str]:
    config, _ = parse_config(parse_yaml("mlgit.yml", text.encode())[0])
    assert config is not None
    document = parse_yaml("mlgit.yml", text.encode())[0]
    return [str(item.span) for item in check_ephemeral_machine(document, config, SINGLE_HOST_BACKENDS, host)]


def test_a_runner_that_is_gone_after_its_job_may_have_nothing_that_must_outlast_it():
    bound = STATE + "store: {host: big}\nbackends: {local: {type: local, host: big}}\n"
    assert lost_with_a_runner(bound) == []
    assert lost_with_a_runner(bound, "big") == ["mlgit.yml:3:12", "mlgit.yml:5:19"]
    assert lost_with_a_runner(STATE) == ["mlgit.yml:3:12", "mlgit.yml:3:12"]
    alone = 'state: {name: small, lineage: "11111111111111111111111111111111"}\n'
    assert lost_with_a_runner(alone) == ["mlgit.yml:1:8"] * 3


def test_the_severity_can_be_lowered():
    document, _ = parse_yaml("mlgit.yml", STATE.encode())
    config, _ = parse_config(document)
    assert config is not None
    diagnostics = check_host_affinity(document, config, SINGLE_HOST_BACKENDS, Severity.WARNING)
    assert {diagnostic.severity for diagnostic in diagnostics} == {Severity.WARNING}
