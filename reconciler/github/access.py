"""What a command needs to ask GitHub: the repository, the address of the API, and the token."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from reconciler.diagnostics import UserError, user_error

_API_URL = "https://api.github.com"
_SERVER_URL = "https://github.com"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,99}/[\w.-]{1,100}")
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Access:
    """The repository, the address of the API and of the pages for people, and the token, which no text shows."""

    repository: str
    api_url: str
    server_url: str
    token: str = field(repr=False)

    @property
    def repository_url(self) -> str:
        """The address of the page of the repository."""
        return f"{self.server_url}/{self.repository}"


def read_access(variables: Mapping[str, str]) -> Access:
    """Return what the environment says. Raise UserError ``github-token`` or ``github-repository``."""
    token = variables.get("GITHUB_TOKEN", "").strip()
    if not token:
        hint = "give the step `env: {GITHUB_TOKEN: ${{ github.token }}}`; on your machine, set it to a token of yours"
        raise user_error("github-token", "GITHUB_TOKEN is not set", hint)
    if not _TOKEN.fullmatch(token):
        raise user_error("github-token", "GITHUB_TOKEN has characters that no token has", "set it to the token alone")
    repository = variables.get("GITHUB_REPOSITORY", "")
    if not _REPOSITORY.fullmatch(repository):
        raise user_error("github-repository", "GITHUB_REPOSITORY is not OWNER/NAME", "set it, such as to octo/ml")
    api_url = _checked_url(variables, "GITHUB_API_URL", _API_URL)
    return Access(repository, api_url, _checked_url(variables, "GITHUB_SERVER_URL", _SERVER_URL), token)


def _checked_url(variables: Mapping[str, str], name: str, default: str) -> str:
    """Return the URL of a variable. The token goes there, so it is https, or http on this machine."""
    url = variables.get(name) or default
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
    except ValueError:
        raise _url_error(name) from None
    if not is_usable or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise _url_error(name)
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _url_error(name: str) -> UserError:
    return user_error("github-repository", f"{name} is no https:// URL", "set it to the address of your GitHub server")
