"""S3 by moto's server on 127.0.0.1, which checks signatures and permissions once its users are there."""

from __future__ import annotations

import importlib
import json
import sys
import uuid
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import requests
from services.ports import free_port
from services.processes import Service

MISSING = "" if find_spec("moto") and find_spec("flask") else "moto[server] is not installed"
_REGION = "us-east-1"
_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
_READ = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}],
}


@dataclass
class MotoS3:
    """The service; ``keys`` are the access key ids and the secrets of its users ``writer`` and ``reader``."""

    folder: Path
    port: int = field(default_factory=free_port)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._service = Service(command, self.folder, self.port, {})
        self.stop = self._service.stop
        iam = self._client("iam", "any", "any")
        for user, policy in (("writer", _ALL), ("reader", _READ)):
            iam.create_user(UserName=user)
            iam.put_user_policy(UserName=user, PolicyName=user, PolicyDocument=json.dumps(policy))
            key = iam.create_access_key(UserName=user)["AccessKey"]
            self.keys[user] = (key["AccessKeyId"], key["SecretAccessKey"])
        self.check_requests(is_checked=True)

    def check_requests(self, *, is_checked: bool) -> None:
        """Check signatures and permissions, or none: those that are in a URL it cannot check, and refuses."""
        unchecked = "0" if is_checked else "1000000000"
        requests.post(f"{self.url}/moto-api/reset-auth", data=unchecked, timeout=30).raise_for_status()

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self) -> str:
        """Make a bucket; return its name."""
        name = f"b{uuid.uuid4().hex[:12]}"
        self._client("s3", *self.keys["writer"]).create_bucket(Bucket=name)
        return name

    def _client(self, service: str, key: str, secret: str) -> Any:
        boto3 = importlib.import_module("boto3")  # slow to import: every run of the tests has these fixtures
        return boto3.client(
            service,
            region_name=_REGION,
            endpoint_url=self.url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )
