"""The builder `docker`, as it is known before it is opened: container images, pulled or built by a Docker engine."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.builders._support import HONOURED, IGNORED
from reconciler.model import Json
from reconciler.model.plugins import BuilderPlugin, Form
from reconciler.model.support import Honoured, Ignored, Support

_HONOURED = (Honoured("/image"), Honoured("/build/path"), Honoured("/build/dockerfile_path"), *HONOURED)
_IGNORED = (Ignored("/conda_file/channels", "packages come from PyPI", is_usual=True), *IGNORED)

_SETTINGS: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "engine": {
            "type": "string",
            "description": "The address of the Docker engine: unix:///run/docker.sock; else that of DOCKER_HOST.",
            "pattern": r"^(unix|tcp|ssh|npipe)://.+$",
            "errorMessage": "the address of an engine, such as unix:///run/docker.sock",
        },
        "registry": {
            "type": "string",
            "description": "Where images are pushed to, so that other machines pull them: registry.example.com/mlgit.",
            "pattern": r"^[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$",
            "errorMessage": "a registry, with a path or without, such as registry.example.com/mlgit",
        },
    },
    "additionalProperties": False,
}

BUILDER = BuilderPlugin(
    open="reconciler.builders._docker:make_docker_builder",
    settings=_SETTINGS,
    support=Support(honoured={"environment": _HONOURED}, ignored={"environment": _IGNORED}),
    produces=Form.IMAGE,
    find="reconciler.builders._docker_find:find_docker_image",
    dockerfile="reconciler.builders._docker_spec:show_dockerfile",
)
