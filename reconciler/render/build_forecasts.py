"""Render what a plan and a machine know of the builds of environments: a build or a cache hit, and the packages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.model import BuilderChoice, BuildForecast, Forecast, Json, PackageDiff, parse_address
from reconciler.planning.packages import summarize_packages


def packages_to_json(packages: PackageDiff | None) -> Json:
    """Return a package diff as a plan in JSON has it; empty if it is not known."""
    if packages is None:
        return {}
    changed = {name: {"before": before, "after": after} for name, (before, after) in packages.changed.items()}
    return {"changed": changed, "added": dict(packages.added), "removed": dict(packages.removed)}


def packages_from_json(document: Json) -> PackageDiff | None:
    """Return a package diff that a plan in JSON has."""
    if not document:
        return None
    changed = {name: (item["before"], item["after"]) for name, item in document["changed"].items()}
    return PackageDiff(changed, document["added"], document["removed"])


def builders_to_json(choices: Iterable[BuilderChoice]) -> list[Json]:
    """Return which builders build an environment as a plan in JSON has it."""
    return [
        {"builder": choice.builder}
        | ({"why": choice.why} if choice.why else {})
        | ({"backends": list(choice.backends)} if choice.backends else {})
        for choice in choices
    ]


def build_to_json(forecast: BuildForecast) -> Json:
    """Return the forecast of one build as an event has it."""
    asked = {"built": bool(forecast.python)} if not forecast.not_asked else {"not_asked": forecast.not_asked}
    python = {"python": forecast.python} if forecast.python else {}
    locked = {"locked": True} if forecast.is_locked else {}
    compared = {"compared": True} if forecast.is_compared else {}
    packages = {"packages": packages_to_json(forecast.packages)} if forecast.packages is not None else {}
    return {
        "environment": str(forecast.address),
        "builder": forecast.builder,
        **asked,
        **python,
        **locked,
        **compared,
        **packages,
    }


def build_from_json(document: Json) -> BuildForecast:
    """Return the forecast of a valid document."""
    return BuildForecast(
        parse_address(document["environment"]),
        document["builder"],
        document.get("python", ""),
        document.get("locked", False),
        document.get("compared", False),
        packages_from_json(document.get("packages", {})),
        document.get("not_asked", ""),
    )


def build_forecasts(forecasts: Iterable[Forecast]) -> Mapping[str, list[BuildForecast]]:
    """Return the forecasts of builds by the address of the environment."""
    found: dict[str, list[BuildForecast]] = {}
    for forecast in forecasts:
        if isinstance(forecast, BuildForecast):
            found.setdefault(str(forecast.address), []).append(forecast)
    return found


def build_lines(action: Mapping[str, Json], forecasts: Iterable[BuildForecast]) -> Iterator[str]:
    """Yield what is known of a build, given as a plan in JSON has it: its packages, then what this machine has.

    Nothing is said of what this machine does not have: the plan says already that it is built.
    """
    planned = packages_from_json(action.get("packages", {}))
    if planned is not None:
        yield f"packages: {summarize_packages(planned)}"
    several = len(action.get("builders", ())) > 1
    for forecast in forecasts:
        label = f"forecast, {forecast.builder}" if several else "forecast"
        if text := _describe(forecast):
            yield f"{label}: {text}"


def _describe(forecast: BuildForecast) -> str:
    if forecast.not_asked:
        return f"not asked: {forecast.not_asked}"
    if forecast.python:
        packages = f"; packages: {summarize_packages(forecast.packages)}" if forecast.packages is not None else ""
        return f"cache hit, built before for Python {forecast.python}{packages}"
    if forecast.is_locked:
        return "to be built from its recorded lock"
    return "to be built; how its packages differ is known after that" if forecast.is_compared else ""
