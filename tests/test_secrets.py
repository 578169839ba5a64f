from __future__ import annotations

import pytest

from reconciler.secrets.fields import is_secret_at, is_secret_name


@pytest.mark.parametrize(
    "name", ["API_KEY", "apiKey", "DB_PASSWORD", "PGPASSWORD", "HF_TOKEN", "secret", "AZURE_CLIENT_SECRET", "sas_token"]
)
def test_the_name_of_a_secret_is_known(name):
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["LOG_LEVEL", "KEYS", "TOKENIZERS_PARALLELISM", "MAX_TOKENS", "monkey", "username"])
def test_other_names_are_no_secrets(name):
    assert not is_secret_name(name)


def test_a_secret_stands_only_where_secrets_are_given():
    assert is_secret_at(["jobs", "a", "environment_variables", "API_KEY"])
    assert is_secret_at(["credentials", "password"])
    assert not is_secret_at(["tags", "key"])
    assert not is_secret_at(["environment_variables"])
