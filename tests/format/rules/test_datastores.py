from __future__ import annotations

from reconciler.format.rules import datastores


def test_unknown_protocols_and_two_credentials_are_errors(check):
    assert check(datastores.RULES, "protocol: ftp") == ["protocol-unknown 1:11"]
    assert check(datastores.RULES, "protocol: WASBS") == []
    text = "credentials:\n  account_key: a\n  sas_token: b"
    assert check(datastores.RULES, text) == ["credentials-both 3:3"]
