"""A variable's name says that it is a secret, however a team adds the stage, the service or the year to it."""

from __future__ import annotations

import pytest

from reconciler.secrets.fields import is_secret_name, may_have_secret_name

SECRETS = [
    "DB_PASS",
    "DBPASS",
    "DB_PW",
    "pw",
    "TOKEN_PROD",
    "API_KEY_OPENAI",
    "secretValue",
    "CLIENT_SECRET_2024",
    "MYSQL_PWD",
    "passwort",
    "PASSWORD_DEV",
    "dbPasswordOld",
    "HF_TOKEN_2",
    "ACCESS_KEY_STAGING",
    "SECRET_SALT_OF_APP",
    "PG_PASSWORD_REPLICA",
    "CONNECTION_STRING_DB",
    "api-key-prod",
    "AccountKey1",
    "AUTH_TOKEN_NEW",
    "ROOTPASS",
]
OTHERS = [
    "SECRET_NAME",
    "CLIENT_SECRET_ID",
    "PASSWORD_FILE",
    "API_KEY_HEADER",
    "KEY_VAULT_NAME",
    "TOKENIZERS_PARALLELISM",
    "MAX_TOKENS",
    "TOKEN_LIMIT",
    "TOKEN_CLASSIFICATION_MODEL",
    "BYPASS",
    "COMPASS",
    "PWD",
    "OLDPWD",
    "MONKEY",
    "KEYBOARD",
    "AUTHOR",
    "PATH",
    "PATTERN",
    "SPLIT_PWM",
    "SECRET_ROTATION_DAYS",
    "ACCESS_KEY_ID",
    "CONNECTION_STRING_PATH",
    "compute",
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_name_of_a_secret_is_known(name):
    assert is_secret_name(name)
    assert may_have_secret_name(name)


@pytest.mark.parametrize("name", OTHERS)
def test_a_name_of_something_else_is_none(name):
    assert not is_secret_name(name)
