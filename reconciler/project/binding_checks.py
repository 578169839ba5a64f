"""The checks of ``datastores:`` and ``secrets:`` of mlgit.yml that need to know what files declare."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from reconciler.backends import secrets_of
from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic, Severity, UserError
from reconciler.format.assets import AssetSet
from reconciler.format.document import Document
from reconciler.format.kinds.datastore import KIND as DATASTORE
from reconciler.format.pointers import find_value, join_pointer, split_pointer
from reconciler.format.schema_leaves import schema_leaves
from reconciler.format.schemas import check_settings
from reconciler.format.suggest import did_you_mean
from reconciler.model import EMPTY_MAPPING, Action, Address, Asset, Op, Spec, Tree
from reconciler.model.secret_bindings import STORE_ADDRESS, TRACKING_ADDRESS, SecretBinding, backend_address
from reconciler.planning.bindings import binding_of
from reconciler.project.datastore_support import find_missing_driver
from reconciler.secret_values import is_in_environment
from reconciler.storage.datastores import DATASTORES

_DATASTORES, _SECRETS = "datastores", "secrets"
_ENVIRONMENT = "env:"
_NO_ASSETS = frozenset({STORE_ADDRESS, TRACKING_ADDRESS})


def check_bindings(
    declared: AssetSet, config: Config, live: Iterable[Address], read_document: Callable[[], Document]
) -> Iterator[Diagnostic]:
    """Yield what is wrong between ``datastores:`` and ``secrets:`` of mlgit.yml and what files declare.

    ``live`` are the live assets, which secrets may be bound to as well. What an unreadable file declares is not known.
    """
    if not (config.datastores or config.secrets) or declared.unreadable_files:
        return
    specs = {address: asset.spec for address, asset in declared.readable_assets.items()}
    unknown = declared.invalid_addresses - specs.keys() | declared.known - specs.keys()
    untyped = [name for name, settings in config.datastores.items() if "type" not in settings]
    if untyped:
        yield from _check_untyped(untyped, specs, unknown, read_document())
    typed = [name for name in config.datastores if name not in untyped and Address(DATASTORE.name, name) not in specs]
    if typed:
        yield from _check_drivers(typed, config, read_document)
    if config.secrets:
        only_bound = {Address(DATASTORE.name, name): EMPTY_MAPPING for name in config.datastores}
        known = {**dict.fromkeys((*live, *unknown)), **only_bound, **specs}
        yield from _check_secrets(config, known, read_document)


def check_secret_files(tree: Tree, config: Config, read_document: Callable[[], Document]) -> Iterator[Diagnostic]:
    """Yield the secrets that come from a file which is in Git, or will be: all readers of the repository have them."""
    for binding in config.secrets:
        scheme, _, place = binding.source.partition(":")
        path = posixpath.normpath(posixpath.join(tree.root, place))
        if scheme == "file" and path in tree.entries:
            message = f"the secret {binding.name} comes from {place}, which is a file of this repository"
            hint = "take it out of Git, exclude it by .gitignore, and revoke the secret if it was ever committed"
            span = read_document().value_span(join_pointer(_SECRETS, binding.name, "from"))
            yield Diagnostic("secret-literal", message, span, hint)


def _check_untyped(
    names: Iterable[str], specs: Mapping[Address, Spec], unknown: frozenset[Address], document: Document
) -> Iterator[Diagnostic]:
    """Yield the settings of datastores whose type is that of a file, and the datastores that no file declares."""
    declared = [address.name for address in specs if address.kind == DATASTORE.name]
    for name in names:
        address = Address(DATASTORE.name, name)
        spec = specs.get(address)
        if spec is None:
            if address not in unknown:
                message = f"no file declares {address}, so its type has to be here"
                hint = did_you_mean(name, declared) or f"write type: beside its settings, one of {_type_names()}"
                span = document.key_span(join_pointer(_DATASTORES, name))
                yield Diagnostic("datastore-unknown", message, span, hint)
            continue
        type_ = str(spec.get("type", "")).lower()
        if DATASTORES.has(type_):
            try:
                yield from check_settings(document, [_DATASTORES, name], DATASTORES.load(type_).settings, ("type",))
            except UserError:  # a type that cannot be imported is reported where it is used
                continue


def _check_drivers(names: Iterable[str], config: Config, read_document: Callable[[], Document]) -> Iterator[Diagnostic]:
    """Yield the drivers that are not installed here of datastores that only mlgit.yml declares."""
    for name in names:
        type_ = str(config.datastores[name]["type"]).lower()
        try:
            problem = find_missing_driver(type_, DATASTORES.load(type_)) if DATASTORES.has(type_) else None
        except UserError:  # a type that cannot be imported is reported where it is used
            continue
        if problem is not None:
            span = read_document().value_span(join_pointer(_DATASTORES, name, "type"))
            message = f"datastore/{name}: {problem.message}"
            yield Diagnostic(problem.code, message, span, problem.hint, Severity.WARNING)


def _type_names() -> str:
    return ", ".join(DATASTORES.names())


def _check_secrets(
    config: Config, known: Mapping[Address, Spec | None], read_document: Callable[[], Document]
) -> Iterator[Diagnostic]:
    """Yield the addresses and the fields of secrets that nothing has; of an asset without a spec nothing is known."""
    places = (*_NO_ASSETS, *map(backend_address, config.backends))
    names = [*map(str, known), *places]
    for binding in config.secrets:
        for index, glob in enumerate(binding.addresses):
            if not any(fnmatchcase(name, glob) for name in names):
                message = f"no asset is called {glob}, to which the secret {binding.name} is bound"
                hint = did_you_mean(glob, names) or "correct the address, or declare the asset"
                span = read_document().value_span(join_pointer(_SECRETS, binding.name, "for", index))
                yield Diagnostic("secret-unused", message, span, hint, Severity.WARNING)
        yield from _check_fields(config, binding, known, read_document)


def _check_fields(
    config: Config, binding: SecretBinding, known: Mapping[Address, Spec | None], read_document: Callable[[], Document]
) -> Iterator[Diagnostic]:
    users = {
        address: spec
        for address, spec in known.items()
        if any(fnmatchcase(str(address), glob) for glob in binding.addresses)
    }
    fields = [*_backend_fields(config, binding)]
    if not (users or fields) or _NO_ASSETS & {*binding.addresses} or None in users.values():
        return  # which fields a store has, its type knows
    fields += [pointer for address, spec in users.items() for pointer in _secret_fields(config, address, spec or {})]
    for index, pointer in enumerate(binding.fields):
        if pointer in fields or any(_has_field(address, spec or {}, pointer) for address, spec in users.items()):
            continue
        message = f"no asset that the secret {binding.name} is bound to has the field {pointer}"
        hint = did_you_mean(pointer, fields) or f"the fields are {', '.join(dict.fromkeys(fields)) or 'none'}"
        span = read_document().value_span(join_pointer(_SECRETS, binding.name, "fields", index))
        yield Diagnostic("secret-unused", message, span, hint, Severity.WARNING)


def _backend_fields(config: Config, binding: SecretBinding) -> Iterator[str]:
    """Yield the pointers of what the backends read as secrets that a secret is bound to."""
    for name, settings in config.backends.items():
        if any(fnmatchcase(backend_address(name), glob) for glob in binding.addresses):
            yield from secrets_of(str(settings["type"]))


def _secret_fields(config: Config, address: Address, spec: Spec) -> tuple[str, ...]:
    """Return the pointers of the fields that the type of a datastore reads as secrets."""
    if address.kind != DATASTORE.name:
        return ()
    settings = config.datastores.get(address.name, EMPTY_MAPPING)
    type_ = str(settings.get("type") or spec.get("type") or "").lower()
    try:
        return DATASTORES.load(type_).secrets if type_ and DATASTORES.has(type_) else ()
    except UserError:
        return ()


def _has_field(address: Address, spec: Spec, pointer: str) -> bool:
    """Return True if an asset that is no datastore has, or may have, a field."""
    if address.kind == DATASTORE.name:
        return False
    is_set = find_value(spec, split_pointer(pointer)) is not None
    return is_set or pointer in schema_leaves(address.kind, str(spec.get("type", "")))


def unset_secret_notes(config: Config, actions: Iterable[Action]) -> Iterator[str]:
    """Yield the secrets of datastores that a plan reaches and whose variable this machine has not set.

    That is an observation beside the plan: the machine that applies it may have them.
    """
    sources = {binding.name: binding.source for binding in config.secrets}
    for action in actions:
        asset = action.resolved.asset if action.resolved else None
        if asset is None or asset.address.kind != DATASTORE.name or action.op is Op.DELETE:
            continue
        for name in dict.fromkeys(_used_secrets(config, asset)):
            variable = sources[name].removeprefix(_ENVIRONMENT)
            if sources[name].startswith(_ENVIRONMENT) and not is_in_environment(variable):
                yield f"the secret {name} ({sources[name]}) is not set here, and {asset.address} needs it to be applied"


def _used_secrets(config: Config, datastore: Asset) -> Iterator[str]:
    """Yield the names of the secrets that the type of a datastore reads."""
    bound: Mapping[str, str] = binding_of(config, datastore).get(_SECRETS, EMPTY_MAPPING)
    fields = _secret_fields(config, datastore.address, datastore.spec)
    yield from (name for pointer, name in bound.items() if pointer in fields)
