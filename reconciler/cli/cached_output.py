"""The remembered output of a command in the current folder, for a command with its default options."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path

import click
from click.core import ParameterSource

from reconciler.cli.options import TARGET_KEY
from reconciler.source.rendered_output import RenderedOutputCache, open_output_cache


def open_default_output_cache(ignored_options: AbstractSet[str] = frozenset()) -> RenderedOutputCache | None:
    """Return the cache of outputs; None if an option other than the ignored ones is given, or there is no workspace."""
    context = click.get_current_context()
    is_default = TARGET_KEY not in context.meta and all(
        context.get_parameter_source(name) is ParameterSource.DEFAULT
        for name in context.params.keys() - ignored_options
    )
    return open_output_cache(Path.cwd()) if is_default else None
