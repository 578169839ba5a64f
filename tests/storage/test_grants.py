"""Requests that a store on a service grants: what they allow, for how long, and what they do not."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import time
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest
from adlfs import AzureBlobFileSystem
from azure.core.credentials import AccessToken
from azure.storage.blob.aio import BlobServiceClient
from remote.url_store import make_azure_bench
from services import azurite as azurites
from services.fixtures import need
from services.tls import make_certificate
from stored_files import put_bytes, read_object

from reconciler.diagnostics import UserError
from reconciler.model.content import HashedFile
from reconciler.model.grants import Access
from reconciler.storage._remote_grants import make_grants
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.services
TEXT = b"some text"


def md5_of(data):
    return hashlib.md5(data, usedforsecurity=False)


def send(method, url, data=None, headers=()):
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=30)) as connection:
        connection.request(method, f"{parts.path}?{parts.query}", data, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()


def create(grant, data, **headers):
    return send("PUT", grant.url, data, {**grant.headers, **headers})[0]


@pytest.fixture
def azure(azurite, tmp_path):
    return make_azure_bench(azurite, tmp_path / "store")


@pytest.fixture
def unsigned(s3_server, url_bench_s3):
    """S3 that takes signatures in URLs, and does not check them."""
    s3_server.check_requests(is_checked=False)
    yield url_bench_s3
    s3_server.check_requests(is_checked=True)


def test_a_request_to_read_gives_the_object_and_nothing_else(azure):
    store = azure.open()
    content, other = put_bytes(store, TEXT), put_bytes(store, b"other")
    grant = store.grant([content.digest], Access.READ, 60)[content.digest]
    assert send("GET", grant.url) == (200, TEXT)
    path = "/".join(("files/md5", content.digest[:2], content.digest[2:]))
    assert path in grant.url
    assert send("GET", grant.url.replace(path, f"files/md5/{other.digest[:2]}/{other.digest[2:]}"))[0] == 403
    headers = {"x-ms-blob-type": "BlockBlob"}
    assert [send(method, grant.url, TEXT, headers)[0] for method in ("PUT", "DELETE")] == [403, 403]
    assert read_object(azure.open(), content.digest) == TEXT


def test_a_request_to_create_takes_the_right_bytes_once_and_reads_nothing(azure, tmp_path):
    content = put_bytes(FolderStore(tmp_path / "other"), TEXT)
    store = azure.open()
    grant = store.grant([content.digest], Access.CREATE, 60)[content.digest]
    assert create(grant, b"other text") == 400
    assert store.missing([content.digest])
    assert create(grant, TEXT) == 201
    assert create(grant, TEXT) == 403
    assert [send(method, grant.url)[0] for method in ("GET", "DELETE")] == [403, 403]
    row = HashedFile("a", 0o100644, content.digest, content.sha256, content.size)
    assert store.assemble([row], "file") == content


def test_a_request_is_over_when_its_time_is(azure):
    store = azure.open()
    content = put_bytes(store, TEXT)
    grant = store.grant([content.digest], Access.READ, 6)[content.digest]
    assert send("GET", grant.url)[0] == 200
    time.sleep(7)
    assert send("GET", grant.url)[0] == 403


def test_other_bytes_that_a_request_has_created_are_no_content(azure):
    store, digest = azure.open(), md5_of(TEXT).hexdigest()
    grant = store.grant([digest], Access.CREATE, 60)[digest]
    other = b"OTHER TEXT"[: len(TEXT)]
    without = {name: value for name, value in grant.headers.items() if name != "Content-MD5"}
    assert send("PUT", grant.url, other, without)[0] == 201
    row = HashedFile("a", 0o100644, digest, hashlib.sha256(TEXT).hexdigest(), len(TEXT))
    with pytest.raises(UserError) as caught:
        store.assemble([row])
    assert caught.value.diagnostics[0].code == "content-corrupt"


def test_other_bytes_that_a_request_has_created_are_replaced_by_who_stores_the_right_ones(azure):
    store, digest = azure.open(), md5_of(TEXT).hexdigest()
    grant = store.grant([digest], Access.CREATE, 60)[digest]
    assert send("PUT", grant.url, b"OTHER TEXT"[: len(TEXT)], {"x-ms-blob-type": "BlockBlob"})[0] == 201
    assert put_bytes(azure.open(), TEXT).digest == digest
    assert send("GET", store.grant([digest], Access.READ, 60)[digest].url) == (200, TEXT)


def test_a_store_that_is_opened_with_a_sas_token_grants_nothing(azurite, azure):
    azure.secrets = {"/sas_token": azurite.make_sas(azure.root.partition("/")[0])}
    store = azure.open()
    content = put_bytes(store, TEXT)
    assert [store.grant([content.digest], access, 60) for access in Access] == [None, None]


class Token:
    """A credential of Microsoft Entra, as far as Azurite looks at it: who it is of, for what and how long."""

    async def get_token(self, *_scopes, **_options):
        tenant, now = "00000000-0000-0000-0000-000000000001", int(time.time())
        claims = {"aud": "https://storage.azure.com", "iss": f"https://sts.windows.net/{tenant}/", "oid": tenant}
        claims |= {"tid": tenant, "ver": "1.0", "iat": now - 10, "nbf": now - 10, "exp": now + 3600}
        parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "none"}, claims))
        return AccessToken(b".".join([*parts, b"x"]).decode(), now + 3600)

    async def close(self):
        """Do nothing."""


def test_without_an_account_key_the_service_is_asked_for_a_key_of_the_user(tmp_path):
    """Azurite gives one; what this version of the client signs with it, Azurite cannot check yet."""
    need(azurites.MISSING)
    tmp_path.joinpath("tls").mkdir()
    certificate = make_certificate(tmp_path / "tls")
    service = azurites.Azurite(tmp_path / "azurite", certificate=certificate)
    try:
        token = Token()
        files = AzureBlobFileSystem(azurites.ACCOUNTS[0], credential=token, anon=False, skip_instance_cache=True)
        options = {"credential": token, "connection_verify": str(certificate[0])}
        files.service_client = BlobServiceClient(service.url(), **options)
        md5 = md5_of(TEXT).hexdigest()
        for access, permission in ((Access.READ, "r"), (Access.CREATE, "c")):
            (grant,) = make_grants(files, "azure", {"box/x/y": md5}, access, 60)
            query = parse_qs(urlsplit(grant.url).query)
            assert grant.url.startswith(f"{service.url()}/box/x/y?")
            assert (query["sp"], query["spr"], query["sr"]) == ([permission], ["https"], ["b"])
            assert query["skoid"] == ["00000000-0000-0000-0000-000000000001"]
    finally:
        service.stop()


def test_on_s3_the_bytes_the_method_and_that_there_is_no_object_are_signed(url_bench_s3):
    digest = md5_of(TEXT).hexdigest()
    grant = url_bench_s3.open().grant([digest], Access.CREATE, 77)[digest]
    query = parse_qs(urlsplit(grant.url).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-SignedHeaders"] == ["content-md5;host;if-none-match"]
    assert query["X-Amz-Expires"] == ["77"]
    assert grant.headers == {"Content-MD5": base64.b64encode(md5_of(TEXT).digest()).decode(), "If-None-Match": "*"}
    secret = url_bench_s3.secrets["/secret_access_key"]
    assert secret not in grant.url


def test_on_s3_an_object_is_read_and_created_once(unsigned):
    store, digest = unsigned.open(), md5_of(TEXT).hexdigest()
    grant = store.grant([digest], Access.CREATE, 60)[digest]
    assert [create(grant, TEXT), create(grant, TEXT)] == [200, 412]
    assert send("GET", store.grant([digest], Access.READ, 60)[digest].url) == (200, TEXT)
