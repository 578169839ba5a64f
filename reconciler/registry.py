"""Plug-ins by name: the modules of one package of mlgit, and the entry points that installed packages bring.

Loads by name: a plug-in is imported when it is asked for. ``importlib.metadata`` is as well, because it is slow to
import and only names that are no module of the package need it.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from reconciler.diagnostics import Diagnostic, Span, UserError
from reconciler.model.plugins import Plugin

P = TypeVar("P", bound=Plugin)


@dataclass(frozen=True, slots=True)
class Registry(Generic[P]):
    """The plug-ins of one type, each a `Plugin`.

    ``noun`` names the type in messages and codes (``backend-unknown``, ``backend-broken``). A module of ``package``
    has its plug-in in ``attribute``, unless its name starts with an underscore; an entry point of ``group`` names the
    plug-in itself. A module wins over an entry point of the same name. ``label`` names the type in the message that
    there is none of a name, if the noun would not do.
    """

    noun: str
    package: str
    attribute: str
    group: str
    label: str = ""

    def names(self) -> tuple[str, ...]:
        """Return the names of all plug-ins, sorted; none is imported."""
        return tuple(sorted({*self._module_names(), *(point.name for point in self._entry_points())}))

    def has(self, name: str) -> bool:
        """Return True if there is a plug-in of that name; faster than looking it up in `names`."""
        return name in self._module_names() or bool(self._entry_points(name=name))

    def load(self, name: str) -> P:
        """Import and return the plug-in of that name; what acts is not imported before it is opened.

        Raises UserError: ``NOUN-unknown`` if there is none, ``NOUN-broken`` if it cannot be imported.
        """
        if name in self._module_names():
            module = f"{self.package}.{name}"
            return self._load(name, module, lambda: getattr(importlib.import_module(module), self.attribute))
        for entry_point in self._entry_points(name=name):
            return self._load(name, entry_point.value, entry_point.load)
        raise UserError(self.unknown_diagnostic(name))

    def unknown_diagnostic(self, name: str, span: Span | None = None) -> Diagnostic:
        """Return the diagnostic of a name that no plug-in has, with the closest name or all names as the hint."""
        names = self.names()
        close = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {close[0]}?" if close else f"available: {', '.join(names)}"
        return Diagnostic(f"{self.noun}-unknown", f"there is no {self.label or self.noun} '{name}'", span, hint)

    def _module_names(self) -> tuple[str, ...]:
        modules = pkgutil.iter_modules(importlib.import_module(self.package).__path__)
        return tuple(module.name for module in modules if not module.name.startswith("_"))

    def _entry_points(self, **selection: str) -> Iterable[Any]:
        entry_points: Iterable[Any] = importlib.import_module("importlib.metadata").entry_points(
            group=self.group, **selection
        )
        return entry_points

    def _load(self, name: str, source: str, load: Callable[[], Any]) -> P:
        try:
            plugin: P = load()
        except (Exception, SystemExit) as error:
            raise self._broken_error(name, source, error) from error
        if not isinstance(plugin, Plugin):
            raise self._broken_error(name, source, TypeError(f"{type(plugin).__name__} is not a plug-in"))
        return plugin

    def _broken_error(self, name: str, source: str, error: BaseException) -> UserError:
        message = f"the {self.noun} '{name}' cannot be imported from {source}: {type(error).__name__}: {error}"
        hint = f"reinstall the package that provides it, or use another {self.noun} in mlgit.yml"
        return UserError(Diagnostic(f"{self.noun}-broken", message, hint=hint))

    def open(self, name: str, *arguments: Any) -> Any:
        """Return what the factory of that plug-in makes.

        Raises UserError as `load`, and ``NOUN-broken`` if the factory cannot be imported or fails.
        """
        return self.call(name, self.load(name).open, *arguments)

    def call(self, name: str, source: str, *arguments: Any) -> Any:
        """Return what another function of that plug-in returns, which it names as ``MODULE:ATTRIBUTE``; see `open`."""
        module, _, attribute = source.partition(":")
        try:
            factory = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise self._broken_error(name, source, error) from error
        try:
            return factory(*arguments)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            raise self.failed_error(name, error) from error

    def failed_error(self, name: str, error: BaseException) -> UserError:
        """Return the error of a plug-in whose code raised an exception that its protocol does not have."""
        message = f"the {self.noun} '{name}' cannot be used: {type(error).__name__}: {error}"
        hint = f"report this to the authors of the {self.noun}, or use another one in mlgit.yml"
        return UserError(Diagnostic(f"{self.noun}-broken", message, hint=hint))
