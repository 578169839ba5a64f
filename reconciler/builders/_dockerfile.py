"""The Dockerfiles that mlgit generates for a conda file, and the configuration of pip in their builds."""

from __future__ import annotations

import json
from collections.abc import Mapping

PREFIX = "/opt/mlgit/environment"
REQUIREMENTS = "requirements.txt"
PIP_CONFIG, CERTIFICATES = "pip.conf", "ca.pem"
"""The ids of the secrets that a build is given, if there is a need of them."""
SECRETS_FOLDER, CLASSIC_FOLDER = "/run/secrets", "/tmp/mlgit"  # noqa: S108 - of the image
"""Where pip finds them in a build with BuildKit, and in one without."""


def make_dockerfile(address: str, base: str, variables: Mapping[str, str], user: str = "") -> str:
    """Return the Dockerfile that installs a lock for pip on an image, in a virtual environment of its own.

    ``user`` is that of the image; blank for root. A variable of several lines cannot be in it; runs have it anyway.
    """
    as_root, as_user = (("USER root",), (f"USER {user}",)) if user else ((), ())
    secrets = f"{SECRETS_FOLDER}/{PIP_CONFIG}"
    lines = (
        f"# {address}, made by mlgit. {REQUIREMENTS} is its lock: versions and hashes.",
        f"FROM {base}",
        *as_root,
        f"RUN --mount=type=bind,source={REQUIREMENTS},target=/tmp/{REQUIREMENTS} \\",
        "    --mount=type=cache,target=/root/.cache/pip \\",
        f"    --mount=type=secret,id={PIP_CONFIG} \\",
        f"    --mount=type=secret,id={CERTIFICATES} \\",
        f"    python3 -m venv {PREFIX} && \\",
        f"    PIP_CONFIG_FILE={secrets} {PREFIX}/bin/python -m pip install --disable-pip-version-check \\",
        f"      --no-deps --only-binary :all: --require-hashes --requirement /tmp/{REQUIREMENTS}",
        *_settings(variables),
        *as_user,
    )
    return "\n".join(lines) + "\n"


def make_classic_dockerfile(address: str, base: str, variables: Mapping[str, str]) -> str:
    """Return a Dockerfile that makes the same image without BuildKit.

    What is copied for pip is in a stage of its own, so neither it nor the cache of pip is in a layer of the image.
    """
    lines = (
        f"# {address}, made by mlgit. {REQUIREMENTS} is its lock: versions and hashes.",
        f"FROM {base} AS packages",
        "USER root",
        f"COPY . {CLASSIC_FOLDER}/",
        f"RUN python3 -m venv {PREFIX} && \\",
        f"    PIP_CONFIG_FILE={CLASSIC_FOLDER}/{PIP_CONFIG} {PREFIX}/bin/python -m pip install --no-cache-dir \\",
        "      --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \\",
        f"      --requirement {CLASSIC_FOLDER}/{REQUIREMENTS}",
        f"FROM {base}",
        f"COPY --from=packages {PREFIX} {PREFIX}",
        *_settings(variables),
    )
    return "\n".join(lines) + "\n"


def _settings(variables: Mapping[str, str]) -> tuple[str, ...]:
    declared = (f"ENV {name}={_quote(value)}" for name, value in variables.items() if "\n" not in value)
    return (f"ENV VIRTUAL_ENV={PREFIX} PATH={PREFIX}/bin:$PATH", *declared)


def make_pip_config(environment: Mapping[str, str], *, has_certificates: bool, folder: str = SECRETS_FOLDER) -> str:
    """Return the configuration of pip for the package index that uv is configured with; "" if it needs none.

    ``folder`` is that of the certificates in the image.
    """
    index = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or ""
    extra = f"{environment.get('UV_INDEX', '')} {environment.get('UV_EXTRA_INDEX_URL', '')}".split()
    urls = [_without_name(url) for url in extra]
    certificates = f"{folder}/{CERTIFICATES}" if has_certificates else ""
    settings = (("index-url", _without_name(index)), ("extra-index-url", " ".join(urls)), ("cert", certificates))
    lines = [f"{name} = {value}" for name, value in settings if value]
    return "\n".join(("[global]", *lines)) + "\n" if lines else ""


def _quote(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("$", "\\$")


def _without_name(index: str) -> str:
    """Return the URL of an index that uv may have as ``name=url``."""
    name, equals, url = index.partition("=")
    return url if equals and "/" not in name else index
