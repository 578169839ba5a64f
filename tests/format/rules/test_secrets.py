from __future__ import annotations

import pytest

from reconciler.format.rules import secrets

KEY = "bGl0dGxlIGZvb2xzIHdobyBwdXQgdGhlaXIga2V5cyBpbnRvIEdpdCwgcmVhbGx5IDEyMyE0NTY3ODkwCg"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"credentials:\n  account_key: {KEY}==", "secret-literal 2:16"),
        (f"environment_variables:\n  MY_API_KEY: {KEY}", "secret-literal 2:15"),
        (f"command: run 'AccountKey={KEY}=='", "secret-literal 1:26"),
        (f"path: https://a/b?sv=1&sig={KEY}", "secret-literal 1:28"),
        ("path: https://user:password@host/x", "secret-literal 1:20"),
        ("path: https://user:12pa/s@s?w#rd@host/x", "secret-literal 1:20"),
        ("path: https://:token@host/x", "secret-literal 1:16"),
        ("path: abfss://me:hunter2@account.dfs.core.windows.net/x", "secret-literal 1:18"),
        ("inputs: {a: {path: 'wasbs://c:k3y@a.blob.core.windows.net/x'}}", "secret-literal 1:31"),
        ("path: https://a.blob.core.windows.net/b?sv=1&sig=abc&se=2", "secret-literal 1:50"),
        ("path: https://a/b?SIG=%2F", "secret-literal 1:23"),
        ("command: curl 'https://a/b?x=1&X-Amz-Signature=0a1b'", "secret-literal 1:48"),
        ("path: https://a/b?X-Amz-Credential=AKIAIOSFODNN7ABCDEFG%2F2024", "secret-literal 1:36"),
        ("path: https://a/b?Signature=abc&Expires=1", "secret-literal 1:29"),
        ("path: https://a/b?access_token=t0k3n", "secret-literal 1:32"),
        (f"# AccountKey={KEY}==\nname: a", "secret-literal 1:14"),
        ("a: |\n  -----BEGIN RSA PRIVATE KEY-----\n", "secret-literal 2:3"),
        ("ssh_settings:\n  admin_password: hunter2", "secret-suspected 2:19 warning"),
        ("credentials: {client_secret: tops}", "secret-suspected 1:30 warning"),
        ("environment_variables: {API_KEY: hunter2secret}", "secret-suspected 1:34 warning"),
        ("jobs: {a: {environment_variables: {DB_PASSWORD: hunter3}}}", "secret-suspected 1:49 warning"),
    ],
)
def test_a_secret_is_reported_at_its_span(check, text, expected):
    assert check(secrets.RULES, text) == [expected]


@pytest.mark.parametrize(
    "value",
    [
        "XXXxxxXXXxXXXX",
        "<password>",
        "${{secrets.key}}",
        "dummy",
        "example-password",
        "'{{ key }}'",
        "''",
        "?xx=XXXX-XX&x=x",
    ],
)
def test_placeholders_are_no_secrets(check, value):
    assert check(secrets.RULES, f"credentials:\n  password: {value}") == []


@pytest.mark.parametrize(
    "path",
    [
        "abfss://container@account.dfs.core.windows.net/x",
        "https://host:8080/x@y",
        "http://localhost:5000",
        "azureml://registries/r/data/d/versions/1",
        "git@github.com:o/r.git",
        "ssh://git@host:22/r.git",
        "https://dev@host/x",
        "https://user:<password>@host/x",
        "https://user:${PASSWORD}@host/x",
        "https://user:***@host/x",
        "https://a/b?sig=<signature>",
        "https://a/b?sig=${{secrets.sig}}",
        "https://a/b?design=x&signal=2&token_count=3",
        "docker://image:latest@sha256:0a1b2c",
        "jdbc:sqlserver://host:1433;user=u@s",
    ],
)
def test_a_url_without_a_secret_is_none(check, path):
    assert check(secrets.RULES, f"path: '{path}'") == []


def test_messages_do_not_contain_the_secret(diagnose):
    (diagnostic,) = diagnose(secrets.RULES, f"credentials:\n  account_key: {KEY}==")
    assert KEY not in str(diagnostic)
