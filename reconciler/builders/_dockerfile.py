"""Dockerfiles as text: the one that mlgit generates for a conda file, and the images that one starts from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

PREFIX = "/opt/mlgit/environment"
REQUIREMENTS = "requirements.txt"
PIP_CONFIG, CERTIFICATES = "pip.conf", "ca.pem"
"""The ids of the secrets that a build is given, if there is a need of them."""

_FROM = re.compile(
    r"^(?P<before>[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*)(?P<image>\S+)(?P<after>[ \t]*(?:AS[ \t]+(?P<stage>\S+)[ \t]*)?)$",
    re.IGNORECASE | re.MULTILINE,
)
_NO_IMAGE = "scratch"


def make_dockerfile(address: str, base: str, variables: Mapping[str, str], user: str = "") -> str:
    """Return the Dockerfile that installs a lock for pip on an image, in a virtual environment of its own.

    ``user`` is that of the image; blank for root. A variable of several lines cannot be in it; runs have it anyway.
    """
    as_root, as_user = (("USER root",), (f"USER {user}",)) if user else ((), ())
    declared = [f"ENV {name}={_quote(value)}" for name, value in variables.items() if "\n" not in value]
    secrets = f"/run/secrets/{PIP_CONFIG}"
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
        f"ENV VIRTUAL_ENV={PREFIX} PATH={PREFIX}/bin:$PATH",
        *declared,
        *as_user,
    )
    return "\n".join(lines) + "\n"


def find_bases(dockerfile: str) -> tuple[str, ...]:
    """Return the images that a Dockerfile starts from, as it names them; not those that an argument names."""
    return tuple(dict.fromkeys(match["image"] for match in _base_matches(dockerfile)))


def pin_bases(dockerfile: str, pinned: Mapping[str, str]) -> str:
    """Return a Dockerfile with the images that it starts from replaced."""
    starts = {match.start(): match for match in _base_matches(dockerfile)}

    def pin(match: re.Match[str]) -> str:
        if match.start() not in starts:
            return match[0]
        return f"{match['before']}{pinned.get(match['image'], match['image'])}{match['after']}"

    return _FROM.sub(pin, dockerfile)


def make_pip_config(environment: Mapping[str, str], *, has_certificates: bool) -> str:
    """Return the configuration of pip for the package index that uv is configured with; "" if it needs none."""
    index = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or ""
    extra = f"{environment.get('UV_INDEX', '')} {environment.get('UV_EXTRA_INDEX_URL', '')}".split()
    urls = [_without_name(url) for url in extra]
    certificates = f"/run/secrets/{CERTIFICATES}" if has_certificates else ""
    settings = (("index-url", _without_name(index)), ("extra-index-url", " ".join(urls)), ("cert", certificates))
    lines = [f"{name} = {value}" for name, value in settings if value]
    return "\n".join(("[global]", *lines)) + "\n" if lines else ""


def _quote(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("$", "\\$")


def _without_name(index: str) -> str:
    """Return the URL of an index that uv may have as ``name=url``."""
    name, equals, url = index.partition("=")
    return url if equals and "/" not in name else index


def _base_matches(dockerfile: str) -> Iterator[re.Match[str]]:
    stages: set[str] = set()
    for match in _FROM.finditer(dockerfile):
        if "$" not in match["image"] and match["image"].lower() not in {_NO_IMAGE, *stages}:
            yield match
        if match["stage"]:
            stages.add(match["stage"].lower())
