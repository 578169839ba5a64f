"""The builder `venv`, as it is known before it is opened: Python environments, resolved and installed by uv."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.builders._support import HONOURED, IGNORED
from reconciler.model import Json
from reconciler.model.plugins import BuilderPlugin, Form
from reconciler.model.support import Ignored, Support

_IGNORED = (
    Ignored("/image", "packages are installed for a Python of this machine", is_usual=True),
    Ignored("/conda_file/channels", "packages come from PyPI", is_usual=True),
    *IGNORED,
)

_SETTINGS: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "pythons": {
            "type": "object",
            "description": "Which Python to use where a series is required that is not to be had: {'3.8': '3.11'}.",
            "propertyNames": {
                "pattern": r"^[23]\.\d{1,2}$",
                "errorMessage": "a series of Python in quotes, such as '3.8'",
            },
            "additionalProperties": {
                "type": "string",
                "pattern": r"^3\.\d{1,2}$",
                "errorMessage": "a series of Python in quotes, such as '3.11'",
            },
        },
    },
    "additionalProperties": False,
}

BUILDER = BuilderPlugin(
    open="reconciler.builders._venv:make_venv_builder",
    settings=_SETTINGS,
    support=Support(honoured={"environment": HONOURED}, ignored={"environment": _IGNORED}),
    produces=Form.PREFIX,
    find="reconciler.builders._venv_find:find_venv",
)
