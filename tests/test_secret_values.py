"""Values of secrets: how they are read, and that no message shows one, in whatever form."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import keyring
import keyring.backends.fail
import pytest
from keyring.errors import KeyringLocked

from reconciler.diagnostics import UserError
from reconciler.model.secret_bindings import SecretBinding
from reconciler.secret_values import read_secret, take_from_environment
from reconciler.storage.datastores._errors import Place, explain_error, first_words

pytestmark = pytest.mark.fast

KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END KEY-----"


def binding(source: str) -> SecretBinding:
    return SecretBinding("blob-key", source, ("datastore/blob",), ("/credentials/account_key",))


class _Locked(keyring.backends.fail.Keyring):
    def get_password(self, service, username):
        raise KeyringLocked("prompt dismissed")


class _Silent(keyring.backends.fail.Keyring):
    def get_password(self, service, username):
        raise RuntimeError("the bus does not answer")


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        (keyring.backends.fail.Keyring, "this machine has no keyring"),
        (_Locked, "the keyring cannot be used (KeyringLocked)"),
        (_Silent, "the keyring cannot be used (RuntimeError)"),
    ],
)
def test_a_keyring_that_cannot_be_opened_is_a_missing_secret(tmp_path, backend, reason):
    before = keyring.get_keyring()
    keyring.set_keyring(backend())
    try:
        with pytest.raises(UserError) as caught:
            read_secret(binding("keyring:lake/ci"), tmp_path)
    finally:
        keyring.set_keyring(before)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "secret-missing"
    assert diagnostic.message == f"the secret blob-key cannot be read from keyring:lake/ci: {reason}"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_end_behind_a_secret_is_no_part_of_it(monkeypatch, tmp_path, end):
    monkeypatch.setenv("PLANTED_VALUE", f"value{end}")
    (tmp_path / "key").write_bytes(f"value{end}".encode())
    assert {read_secret(binding(source), tmp_path) for source in ("env:PLANTED_VALUE", "file:key")} == {"value"}


def test_a_variable_that_begins_with_mlgits_own_name_is_taken_too(monkeypatch, tmp_path):
    monkeypatch.setenv("MLGIT_STORE_KEY", "value")
    source = binding("env:MLGIT_STORE_KEY")
    take_from_environment([source])
    assert "MLGIT_STORE_KEY" not in os.environ
    assert read_secret(source, tmp_path) == "value"


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("Pl4ntedSecret+/q7Zx" * 4, f"{'x' * 190} {'Pl4ntedSecret+/q7Zx' * 4}"),  # the message is cut in the middle
        (KEY, f"cannot read {KEY!r}"),
        (KEY, "bad line MIIEvQIBADANBgkqhkiG9w0B in a key"),
        ("Pl4ntedSecret=", "the value Pl4ntedSecret= of a header"),
        ("?se=2030&sp=Pl4ntedSecret", "https://a/b?se=2030&sp=Pl4ntedSecret failed"),
        ("Pl4nted Secret&", f"https://a/b?c={quote('Pl4nted Secret&', safe='')} failed"),
    ],
)
def test_no_form_of_a_secret_is_in_what_a_driver_says(secret, said):
    place = Place("blob", "https://a/b", "its key", (secret,))
    shown = str(explain_error(ValueError(said), place, "x")) + first_words(ValueError(said), (secret,))
    assert "***" in shown
    for part in ("Pl4nted", "MIIEvQ"):
        assert part not in shown


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system shows no environment of processes")
def test_the_system_shows_no_value_of_a_variable_that_was_taken():
    code = """if True:
        from pathlib import Path
        from reconciler.model.secret_bindings import SecretBinding
        from reconciler.secret_values import read_secret, take_from_environment
        binding = SecretBinding("key", "env:PLANTED_VALUE", ("store",), ("/account_key",))
        assert b"Pl4nted" in Path("/proc/self/environ").read_bytes()
        take_from_environment([binding])
        assert b"Pl4nted" not in Path("/proc/self/environ").read_bytes()
        assert b"AFTER=it" in Path("/proc/self/environ").read_bytes()
        assert read_secret(binding, Path()) == "Pl4ntedSecret"
        """
    variables = {**os.environ, "PLANTED_VALUE": "Pl4ntedSecret", "AFTER": "it"}
    ended = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
