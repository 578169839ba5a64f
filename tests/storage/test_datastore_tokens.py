"""Service principals, certificates and OneLake: to the request for a token and the URL that is asked with it.

No service is here that gives such tokens, so what mlgit sends is kept and compared; docs/datastores.md says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from services.tls import Answer, Asked, TlsRecorder

TENANT, CLIENT = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
TOKEN = {"token_type": "Bearer", "expires_in": 3600, "access_token": "the-token"}
NO_NAMES = b'<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>'
# aiohttp reads SSL_CERT_FILE once, when it is imported.
SCRIPT = """
import json, sys
from reconciler.model.datastores import DatastoreSettings
from reconciler.storage.datastores import open_datastore
type_, spec, settings, secrets = json.load(sys.stdin)
open_datastore(DatastoreSettings("d", type_, spec, settings, secrets.get, lambda pointer: "s", "/")).check()
"""


def answer(asked: Asked) -> Answer:
    """Give a token to whoever asks, and the names of an empty container to whoever has it."""
    if asked.path.endswith("/oauth2/v2.0/token"):
        return 200, {"Content-Type": "application/json"}, json.dumps(TOKEN).encode()
    is_known = asked.headers.get("Authorization") == "Bearer the-token"
    return (200, {"Content-Type": "application/xml"}, NO_NAMES) if is_known else (401, {}, b"")


def ask(tmp_path: Path, type_: str, spec: Mapping[str, Any], secrets: Mapping[str, str]) -> tuple[Asked, Asked]:
    """Check a datastore; return the request for a token, and the one to the service."""
    recorder = TlsRecorder(tmp_path, answer)
    credentials = {"tenant_id": TENANT, "client_id": CLIENT, **spec.get("credentials", {})}
    settings = {"endpoint": f"{recorder.url}/account", "authority_url": recorder.url}
    document = json.dumps([type_, {**spec, "credentials": credentials}, settings, secrets])
    environment = {**os.environ, "SSL_CERT_FILE": str(recorder.certificate)}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, input=document, env=environment, capture_output=True, text=True, check=False)
    recorder.stop()
    assert done.returncode == 0, done.stderr
    token, service = recorder.asked
    assert token.path == f"/{TENANT}/oauth2/v2.0/token"
    assert service.headers["Authorization"] == "Bearer the-token"
    return token, service


@pytest.mark.parametrize("resource", ["", "https://storage.example.org/"])
def test_a_service_principal_asks_for_a_token_and_uses_it(tmp_path, resource):
    spec = {"account_name": "account", "filesystem": "files"}
    if resource:
        spec["credentials"] = {"resource_url": resource}
    token, service = ask(tmp_path, "azure_data_lake_gen2", spec, {"/credentials/client_secret": "p4ss"})
    fields = parse_qs(token.body)
    assert fields["client_secret"] == ["p4ss"]
    assert fields["client_id"] == [CLIENT]
    assert fields["scope"] == [f"{(resource or 'https://storage.azure.com').rstrip('/')}/.default"]
    assert service.path.startswith("/account/files?")


def test_a_certificate_signs_the_request_for_a_token(tmp_path):
    recorder = TlsRecorder(tmp_path, answer)  # its certificate serves as that of the principal
    recorder.stop()
    certificate = (tmp_path / "key.pem").read_text("utf-8") + recorder.certificate.read_text("utf-8")
    spec = {"account_name": "account", "filesystem": "files"}
    token, _ = ask(tmp_path, "azure_data_lake_gen2", spec, {"/credentials/certificate": certificate})
    fields = parse_qs(token.body)
    assert fields["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    assert fields["client_assertion"][0].count(".") == 2
    assert "client_secret" not in fields


def test_one_lake_is_asked_for_the_lakehouse_below_its_workspace(tmp_path):
    spec = {"one_lake_workspace_name": "work", "artifact": {"type": "lake_house", "name": "house"}}
    token, service = ask(tmp_path, "one_lake", spec, {"/credentials/client_secret": "p4ss"})
    assert parse_qs(token.body)["client_secret"] == ["p4ss"]
    assert service.path.startswith("/account/work?")
    assert parse_qs(service.path)["prefix"] == ["house.Lakehouse/"]
