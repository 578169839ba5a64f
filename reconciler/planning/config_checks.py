"""Names in mlgit.yml that no file declares or uses: under ``protect:``, ``compute:`` and ``verify:``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase

from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.assets import AssetSet
from reconciler.format.document import Document
from reconciler.format.kinds import kind_by_name
from reconciler.format.pointers import join_pointer
from reconciler.format.suggest import closest_name
from reconciler.model import Address
from reconciler.planning.compute import compute_name

_GLOB_CHARACTERS = frozenset("*?[")
_ALL_OTHERS = "*"


def check_config_names(
    declared: AssetSet,
    config: Config,
    live: Iterable[Address] | None,
    read_config_document: Callable[[], Document],
) -> Iterator[Diagnostic]:
    """Yield the names under ``protect:``, ``compute:`` and ``verify:`` that nothing has.

    It is an error if a similar one exists, else a warning: the asset may be declared later. ``live`` are the live
    assets, None if that is not known: one of them may be protected though no file declares it any more. A file that
    cannot be read may declare anything.
    """
    if declared.unreadable_files:
        return
    unused = [
        *_unknown_protected(declared, config, live),
        *_unused_computes(declared, config),
        *_unmatched_data(declared, config),
    ]
    if not unused:
        return
    document = read_config_document()
    for pointer, name, closest, is_key in unused:
        span = document.key_span(pointer) if is_key else document.value_span(pointer)
        hint = f"did you mean {closest}?" if closest else "remove the line, or declare it"
        severity = Severity.ERROR if closest else Severity.WARNING
        yield Diagnostic("pattern-unmatched", f"no file declares or uses {name}", span, hint, severity)


def _unknown_protected(
    declared: AssetSet, config: Config, live: Iterable[Address] | None
) -> Iterator[tuple[str, str, str, bool]]:
    """Yield the addresses under ``protect:`` that are neither declared nor live, each with a similar one that is."""
    names = [(index, name) for index, name in enumerate(config.protect) if _GLOB_CHARACTERS.isdisjoint(name)]
    if not names or live is None:
        return
    known = {str(address) for address in (*_declared_addresses(declared), *live)}
    for index, name in names:
        if name not in known:
            yield join_pointer("protect", index), name, _closest_address(name, known), False


def _closest_address(name: str, known: Iterable[str]) -> str:
    """Return the address of the same kind whose name is most similar, "" if none is similar."""
    kind = name.partition("/")[0]
    names = [address.removeprefix(f"{kind}/") for address in known if address.startswith(f"{kind}/")]
    closest = closest_name(name.removeprefix(f"{kind}/"), names)
    return f"{kind}/{closest}" if closest else ""


def _unused_computes(declared: AssetSet, config: Config) -> Iterator[tuple[str, str, str, bool]]:
    """Yield the computes under ``compute:`` that no file declares or uses, each with a similar one that has no line."""
    names = [name for name in config.compute if name != _ALL_OTHERS]
    if not names:
        return
    used = {address.name for address in _declared_addresses(declared) if kind_by_name(address.kind).uses_backend}
    for asset in declared.readable_assets.values():
        used |= {item.address.name for item in asset.references if kind_by_name(item.address.kind).uses_backend}
        used |= {compute_name(asset)} if kind_by_name(asset.address.kind).is_runnable else set()
    for name in names:
        if name not in used:
            closest = closest_name(name, used - {*names})
            yield join_pointer("compute", name), f"the compute {name}", closest, True


def _unmatched_data(declared: AssetSet, config: Config) -> Iterator[tuple[str, str, str, bool]]:
    """Yield the globs under ``verify:`` that match no data which a file declares, each with a similar address.

    Data that is live and that no file declares is not registered again, whatever is to be verified. Models match none:
    all of their bytes are read anyway.
    """
    known = {
        str(address)
        for address in _declared_addresses(declared)
        if kind_by_name(address.kind).is_data and not kind_by_name(address.kind).is_model
    }
    for glob in config.verify:
        if not any(fnmatchcase(address, glob) for address in known):
            closest = _closest_address(glob, known) if _GLOB_CHARACTERS.isdisjoint(glob) else ""
            yield join_pointer("verify", glob), glob, closest, True


def _declared_addresses(declared: AssetSet) -> Iterator[Address]:
    yield from declared.readable_assets
    yield from declared.invalid_addresses
