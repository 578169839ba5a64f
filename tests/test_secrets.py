from __future__ import annotations

import pytest

from reconciler.secrets.fields import is_secret_at, is_secret_name
from reconciler.secrets.redact import SECRET_PLACEHOLDER, hide_secrets, redact_spec


@pytest.mark.parametrize(
    "name", ["API_KEY", "apiKey", "DB_PASSWORD", "PGPASSWORD", "HF_TOKEN", "secret", "AZURE_CLIENT_SECRET", "sas_token"]
)
def test_secret_names_are_recognised(name):
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["LOG_LEVEL", "KEYS", "TOKENIZERS_PARALLELISM", "MAX_TOKENS", "monkey", "username"])
def test_other_names_are_not_secret(name):
    assert not is_secret_name(name)


def test_a_value_is_secret_only_inside_a_field_that_can_hold_secrets():
    assert is_secret_at(["jobs", "a", "environment_variables", "API_KEY"])
    assert is_secret_at(["credentials", "password"])
    assert not is_secret_at(["tags", "key"])
    assert not is_secret_at(["environment_variables"])


def test_output_hides_secret_variables_and_recorded_digests():
    spec = {
        "environment_variables": {"API_KEY": "hunter2", "LOG": "all"},
        "credentials": redact_spec({"credentials"}, {"credentials": {"account_key": "hunter2"}}, "a")["credentials"],
    }
    assert hide_secrets(spec) == {
        "environment_variables": {"API_KEY": SECRET_PLACEHOLDER, "LOG": "all"},
        "credentials": {"account_key": SECRET_PLACEHOLDER},
    }
