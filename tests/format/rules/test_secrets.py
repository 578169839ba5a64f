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


def test_messages_do_not_contain_the_secret(diagnose):
    (diagnostic,) = diagnose(secrets.RULES, f"credentials:\n  account_key: {KEY}==")
    assert KEY not in str(diagnostic)
