"""The channels of a conda file: which are used, at which URL, and which folders of a machine may be one.

A conda file may name a folder only inside the workspace: its author could otherwise choose any file of the machine that
builds. mlgit.yml may name any.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from reconciler.builders._conda_version import parse_conda_entry
from reconciler.diagnostics import user_error
from reconciler.model import EMPTY_MAPPING
from reconciler.secrets.urls import find_url_secrets, mask_url_secrets

DEFAULT_CHANNEL = "conda-forge"
_SERVER = "https://conda.anaconda.org"
_DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")  # of conda's "defaults"
_NO_DEFAULTS = "nodefaults"
_SCHEME = re.compile(r"[a-z][a-z0-9+]*://")
_SCHEMES = ("https://", "http://", "file://", "s3://", "oci://")
_TOKEN = re.compile(r"/t/[^/]+/")


class ChannelProblem(NamedTuple):
    """Why a channel cannot be used, and what to do."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What mlgit.yml says of channels: those of files that name none, and what takes the place of a channel.

    Folders are relative to that of the workspace, None where no workspace is known.
    """

    channels: tuple[str, ...] = ()
    mirrors: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    workspace: Path | None = None


def choose_channels(declared: Iterable[str], entries: Iterable[str], settings: ChannelSettings) -> tuple[str, ...]:
    """Return the channels of a conda file, those that its entries name last."""
    named = [name for name in declared if name != _NO_DEFAULTS] or settings.channels or (DEFAULT_CHANNEL,)
    of_entries = (name for entry in entries if (name := channel_of(entry)))
    channels = [part for name in (*named, *of_entries) for part in _expand(name.rstrip("/"), settings)]
    return tuple(dict.fromkeys(channels))


def channel_of(entry: str) -> str:
    """Return the channel that an entry of a conda file names, "" for none."""
    parsed = parse_conda_entry(entry)
    channel = parsed.channel if parsed else ""
    head, _, subdir = channel.rpartition("/")
    return head if head and (subdir == "noarch" or re.fullmatch(r"(?:linux|osx|win)-\w+", subdir)) else channel


def find_channel_problem(name: str, settings: ChannelSettings) -> ChannelProblem | None:
    """Return why a channel that a conda file names cannot be used; pure, so symbolic links are judged by a build."""
    is_folder = _is_folder(name)  # whose path may have a folder that is called t
    masked = mask_url_secrets(name) if is_folder else _TOKEN.sub("/t/***/", mask_url_secrets(name))
    if any(find_url_secrets(name)) or (not is_folder and _TOKEN.search(name)):
        hint = "remove it there; the machine that builds has it in ~/.netrc or by `rattler auth login`"
        return ChannelProblem(f"the channel '{masked}' has a password or a token in it", hint)
    if name in settings.mirrors or name in settings.channels:
        return None
    if _SCHEME.match(name) and not name.startswith(_SCHEMES):
        return ChannelProblem(f"the channel '{masked}' has an unknown scheme", f"use one of {', '.join(_SCHEMES)}")
    if is_folder and not _is_inside(name):
        hint = (
            "put it into the repository and write its path from the folder of mlgit.yml, or name it there: "
            f"builders: conda: mirrors: {{NAME: '{masked}'}}, and NAME in the conda file"
        )
        return ChannelProblem(f"the channel '{masked}' is a folder outside of the repository", hint)
    return None


def channel_url(address: str, name: str, settings: ChannelSettings) -> str:
    """Return the URL at which a channel is read; raise UserError ``channel-refused`` if it is outside."""
    location = settings.mirrors.get(name, name)
    is_trusted = name in settings.mirrors or name in settings.channels
    if not _is_folder(location):
        return location if _SCHEME.match(location) else f"{_SERVER}/{location}"
    path = Path(unquote(urlsplit(location).path) if _SCHEME.match(location) else location)
    folder = ((settings.workspace or Path()) / path).resolve()
    if not is_trusted and not (settings.workspace and folder.is_relative_to(settings.workspace.resolve())):
        message = f"{address}: the channel '{name}' is a folder outside of the repository"
        raise user_error("channel-refused", message, "put it into the repository, or name it in mlgit.yml")
    return folder.as_uri()


def _expand(name: str, settings: ChannelSettings) -> tuple[str, ...]:
    return _DEFAULTS if name == "defaults" and name not in settings.mirrors else (name,)


def _is_folder(name: str) -> bool:
    return name.startswith(("file://", ".", "/", "~"))


def _is_inside(path: str) -> bool:
    return path.startswith(".") and posixpath.normpath(path).split("/")[0] != ".."
