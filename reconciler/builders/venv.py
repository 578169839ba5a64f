"""The builder `venv`, as it is known before it is opened: Python environments, resolved and installed by uv."""

from __future__ import annotations

from reconciler.model.plugins import BuilderPlugin, Form

BUILDER = BuilderPlugin(open="reconciler.builders._venv:make_venv_builder", produces=Form.PREFIX)
