"""Preflight checks of jobs: what a run needs and no provider can give it, whatever fields a backend supports.

The checks of files (``planning.file_checks``) make them with what is declared, plans with the live state too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet
from reconciler.format.pointers import escape_key
from reconciler.model import Asset
from reconciler.planning.compute import COMPUTE_POINTER, compute_name, referenced_compute
from reconciler.planning.uri_inputs import TargetLookup, describe_problem, find_uri_inputs

_ENVIRONMENT_POINTER = "/environment"


def check_run(declared: AssetSet, asset: Asset, config: Config, find_target: TargetLookup) -> Iterator[Diagnostic]:
    """Yield why a run of a job could not start."""
    document = declared.documents[asset.source]
    backend = config.backend_of(compute_name(asset))
    if not backend:
        message = f"{asset.address} runs on {asset.spec.get('compute')}, which is not bound to a backend"
        name = referenced_compute(asset) or "*"
        hint = f"bind it in mlgit.yml: compute: {{{name}: BACKEND}}; backends: {', '.join(config.backends)}"
        yield Diagnostic("compute-unbound", message, document.value_span(COMPUTE_POINTER), hint)
    if not any(reference.pointer == _ENVIRONMENT_POINTER for reference in asset.references):
        environment = asset.spec.get("environment")
        inline = "one that is written in the job"
        name = "none" if environment is None else environment if isinstance(environment, str) else inline
        message = f"{asset.address} needs an environment that this workspace declares, but names {name}"
        hint = "declare the environment in a file of its own and write environment: azureml:NAME@latest"
        fields = environment if isinstance(environment, Mapping) else {}
        places = (document.value_span(f"{_ENVIRONMENT_POINTER}/{escape_key(str(key))}") for key in fields)
        span = document.value_span(_ENVIRONMENT_POINTER)
        others = tuple(dict.fromkeys(place for place in places if place.line != span.line))
        yield Diagnostic("environment-form", message, span, hint, places=others)
    for uri_input in find_uri_inputs(asset, config, find_target):
        if not uri_input.is_downloadable:
            message, hint = describe_problem(uri_input)
            span = document.value_span(uri_input.pointer)
            yield Diagnostic("input-unreachable", f"{asset.address}: {message}", span, hint)
