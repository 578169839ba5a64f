"""The builder `conda`, as it is known before it is opened: environments of conda packages, solved by rattler."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.builders._support import HONOURED, IGNORED
from reconciler.model import Json
from reconciler.model.plugins import BuilderPlugin, Form
from reconciler.model.support import Honoured, Ignored, Support

_HONOURED = (Honoured("/conda_file/channels"), *HONOURED)
_IGNORED = (
    Ignored("/image", "packages are installed beside the system of this machine", is_usual=True),
    *IGNORED,
)

_SETTINGS: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "channels": {
            "type": "array",
            "description": "The channels of conda files that name none; by default conda-forge.",
            "items": {"type": "string", "minLength": 1},
            "minItems": 1,
        },
        "mirrors": {
            "type": "object",
            "description": "URLs or folders in the place of channels: {conda-forge: https://mirror.example/conda-forge}.",
            "additionalProperties": {"type": "string", "minLength": 1},
        },
        "virtual_packages": {
            "type": "object",
            "description": "What the machine that runs the jobs is, if not as this one: {__cuda: '12.4'}; '' for none.",
            "propertyNames": {
                "pattern": "^__[a-z0-9_]+$",
                "errorMessage": "the name of a virtual package of conda, such as __cuda",
            },
            "additionalProperties": {
                "type": "string",
                "pattern": r"^(?:[0-9][0-9A-Za-z.]*)?$",
                "errorMessage": "a version in quotes, such as '12.4', or '' for none",
            },
        },
    },
    "additionalProperties": False,
}

BUILDER = BuilderPlugin(
    open="reconciler.builders._conda:make_conda_builder",
    settings=_SETTINGS,
    support=Support(honoured={"environment": _HONOURED}, ignored={"environment": _IGNORED}),
    produces=Form.FIXED_PREFIX,
    find="reconciler.builders._conda_find:find_conda_prefix",
)
