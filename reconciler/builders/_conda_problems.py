"""What the builder `conda` cannot do with an environment, and what it does otherwise than the environment says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.builders import _rattler
from reconciler.builders._channels import DEFAULT_CHANNEL, ChannelSettings, channel_of, find_channel_problem
from reconciler.builders._conda_file import CondaFile, read_conda_file
from reconciler.builders._conda_version import PYTHON
from reconciler.builders._image import parse_image
from reconciler.builders._notes import missing_text
from reconciler.builders._problems import conda_content, find_general_problems, image_name
from reconciler.model.builder import BuildNote, BuildProblem

_BUILDER = "conda"
_CHANNELS_POINTER = "/conda_file/channels"


def read_whole_conda_file(spec: Mapping[str, Any]) -> CondaFile:
    """Return the conda file of an environment as a builder that runs conda reads it."""
    return read_conda_file(conda_content(spec), runs_conda=True)


def declared_channels(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the channels that a conda file names."""
    content = conda_content(spec)
    channels = content.get("channels") if isinstance(content, Mapping) else None
    return tuple(map(str, channels)) if isinstance(channels, Sequence) and not isinstance(channels, str) else ()


def find_conda_problems(spec: Mapping[str, Any], settings: ChannelSettings) -> tuple[BuildProblem, ...]:
    """Return everything in the spec of an environment that cannot be built here."""
    if certain := find_certain_conda_problems(spec, settings):
        return certain
    pointer = "/conda_file" if spec.get("conda_file") else "/image"
    if not _rattler.is_installed():
        message = "the conda builder needs py-rattler, which is not installed"
        return (BuildProblem(pointer, "extra-missing", message, _rattler.EXTRA_HINT, is_certain=False),)
    if not _rattler.machine_platform():
        message = "conda has no packages for this machine"
        return (BuildProblem(pointer, "builder-cannot", message, "build it on another machine", is_certain=False),)
    return ()


def find_certain_conda_problems(spec: Mapping[str, Any], settings: ChannelSettings) -> tuple[BuildProblem, ...]:
    """Return everything in the spec of an environment that cannot be built anywhere."""
    conda_file = read_whole_conda_file(spec)
    problems = find_general_problems(spec, _BUILDER, conda_file)
    return problems if spec.get("build") else (*problems, *_channel_problems(spec, conda_file, settings))


def _channel_problems(
    spec: Mapping[str, Any], conda_file: CondaFile, settings: ChannelSettings
) -> Iterator[BuildProblem]:
    content = conda_content(spec)
    channels = content.get("channels") if isinstance(content, Mapping) else None
    if channels is not None and not isinstance(channels, list | tuple):
        message = f"'channels' of its conda file is not a list but '{channels}'"
        yield BuildProblem(_CHANNELS_POINTER, "builder-cannot", message, "write 'channels:' and a list")
    places = [(name, f"{_CHANNELS_POINTER}/{index}") for index, name in enumerate(declared_channels(spec))]
    named = [(channel_of(package.entry), f"/conda_file{package.pointer}") for package in conda_file.conda_packages]
    for name, pointer in (*places, *((name, pointer) for name, pointer in named if name)):
        if problem := find_channel_problem(name, settings):
            yield BuildProblem(pointer, "channel-refused", problem.message, problem.hint)


def find_conda_notes(spec: Mapping[str, Any], settings: ChannelSettings) -> tuple[BuildNote, ...]:
    """Return what is done otherwise than the environment says."""
    return (*_image_notes(spec), *_channel_notes(spec, settings))


def _image_notes(spec: Mapping[str, Any]) -> Iterator[BuildNote]:
    image = parse_image(image_name(spec))
    if not image.name:
        return
    names_python = any(package.name == PYTHON for package in read_whole_conda_file(spec).conda_packages)
    used = f"Python {image.python} of conda" if image.python and not names_python else "Python of conda"
    text = f"{used} is used, not the image {image.name}"
    if spec.get("conda_file") or image.is_base:
        yield BuildNote(("/image",), text)
    else:
        yield BuildNote(("/image",), f"{text}; {missing_text(image)}", is_usual=False)


def _channel_notes(spec: Mapping[str, Any], settings: ChannelSettings) -> Iterator[BuildNote]:
    if spec.get("conda_file") and not declared_channels(spec):
        used = f"{', '.join(settings.channels)}, as mlgit.yml says" if settings.channels else DEFAULT_CHANNEL
        yield BuildNote(("/conda_file",), f"it names no channel: packages come from {used}")
