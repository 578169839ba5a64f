"""What a type of datastore supports of a file, and what it needs: its driver, and the secrets that mlgit.yml binds."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from reconciler.config.config import Config
from reconciler.format.pointers import find_value, split_pointer
from reconciler.model import EMPTY_MAPPING, Asset
from reconciler.model.plugins import DatastorePlugin
from reconciler.model.secret_bindings import find_binding
from reconciler.model.support import Ignored, Support
from reconciler.planning.bindings import datastore_type
from reconciler.planning.support import SupportProblem, SupportReport, check_support, field_name, with_own_problems
from reconciler.storage.datastores import DATASTORES
from reconciler.storage.datastores._hosts import find_foreign_hosts

_TYPE_POINTER = "/type"
_REBOUND = Support(
    ignored={"datastore": (Ignored("/*", "mlgit.yml binds the datastore to a service of another type", is_usual=True),)}
)


def check_datastore(asset: Asset, config: Config) -> SupportReport:
    """Return what the type of a datastore supports of its file; nothing is asked of the service.

    Raises UserError ``datastore-broken`` if the type cannot be imported.
    """
    type_ = datastore_type(config, asset)
    if not DATASTORES.has(type_):
        unknown = DATASTORES.unknown_diagnostic(type_)
        return SupportReport(problems=(SupportProblem(_TYPE_POINTER, unknown.code, unknown.message, unknown.hint),))
    plugin = DATASTORES.load(type_)
    is_rebound = type_ != str(asset.spec.get("type", "")).lower()
    provider = f"the datastore type {type_}"
    remedy = f"bind {asset.address.name} to another type under datastores: in mlgit.yml"
    report = check_support(asset, _REBOUND if is_rebound else plugin.support, provider, remedy)
    problems = [
        *filter(None, [find_missing_driver(type_, plugin)]),
        *([] if is_rebound else _find_unbound_secrets(asset, config, plugin)),
        *_find_foreign_hosts(asset, config, plugin),
    ]
    return with_own_problems(report, problems, provider)


def missing_driver(plugin: DatastorePlugin) -> str:
    """Return a module that a type of datastore needs and that is not installed, "" if all are."""
    return next((module for module in plugin.modules if find_spec(module) is None), "")


def find_missing_driver(type_: str, plugin: DatastorePlugin) -> SupportProblem | None:
    """Return the driver that is not installed here; another machine, such as the one that applies, may have it."""
    module = missing_driver(plugin)
    if not module:
        return None
    message = f"a datastore of the type {type_} needs {module}, which is not installed here"
    hint = f"run `pip install 'mlgit[{plugin.extra}]'` where it is applied and used"
    return SupportProblem(_TYPE_POINTER, "extra-missing", message, hint, is_certain=False)


def _find_unbound_secrets(asset: Asset, config: Config, plugin: DatastorePlugin) -> Iterator[SupportProblem]:
    """Yield the credentials that the file names and that mlgit.yml binds no secret to."""
    for pointer in plugin.secrets:
        is_named = find_value(asset.spec, split_pointer(pointer)) is not None
        if is_named and find_binding(config.secrets, str(asset.address), pointer) is None:
            message = f"no secret is bound to {field_name(pointer)}"
            yield SupportProblem(pointer, "secret-unbound", message, binding_hint(str(asset.address), pointer))


def _find_foreign_hosts(asset: Asset, config: Config, plugin: DatastorePlugin) -> Iterator[SupportProblem]:
    settings = config.datastores.get(asset.address.name, EMPTY_MAPPING)
    for pointer, message, hint in find_foreign_hosts(plugin, asset.spec, settings):
        yield SupportProblem(pointer, "datastore-settings", message, hint)


def binding_hint(address: str, pointer: str) -> str:
    """Return how a secret is bound to a field of an asset."""
    line = f"secrets: {{NAME: {{from: 'env:VARIABLE', for: [{address}], fields: [{pointer}]}}}}"
    return f"bind one in mlgit.yml: {line}"
