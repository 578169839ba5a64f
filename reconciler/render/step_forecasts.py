"""Render what a plan knows of the steps of a pipeline: one line each, many of one sort as their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.abbreviation import join_some, pluralize
from reconciler.model import Json, ReuseForecast, StepForecast, StepVerdict

_MAX_SHOWN = 12  # steps of one sort
_MAX_NAME_LENGTH = 40
_NO_CAUSE_CLAUSE = "no earlier run"


def forecasts_to_json(forecasts: Sequence[StepForecast]) -> list[Json]:
    """Return forecasts as a plan in JSON has them."""
    return [{"step": item.step, "verdict": str(item.verdict), "cause": item.cause} for item in forecasts]


def forecasts_from_json(steps: Sequence[Json]) -> tuple[StepForecast, ...]:
    """Return forecasts that a plan in JSON has."""
    return tuple(StepForecast(step["step"], StepVerdict(step["verdict"]), step["cause"]) for step in steps)


def forecast_rows(steps: Sequence[Json]) -> list[tuple[str, str]]:
    """Return the step, or how many steps, and what happens to it, in the order of the steps."""
    groups: dict[tuple[str, str], list[Json]] = {}
    for step in steps:
        groups.setdefault(_group_key(step), []).append(step)
    rows: list[tuple[str, str]] = []
    for step in steps:
        group = groups[_group_key(step)]
        if len(group) <= _MAX_SHOWN:
            rows.append((step["step"], _describe(step)))
        elif step is group[0]:
            names = join_some([item["step"] for item in group])
            rows.append((pluralize(len(group), "step"), f"{_describe_group(group)}: {names}"))
    return rows


def forecast_lines(steps: Sequence[Json]) -> Iterator[str]:
    """Yield the rows as lines with aligned columns."""
    rows = forecast_rows(steps)
    width = min(max((len(name) for name, _ in rows), default=0), _MAX_NAME_LENGTH)
    yield from (f"{name:<{width}}  {text}" for name, text in rows)


def reuse_to_json(forecast: ReuseForecast) -> Json:
    """Return the forecast of one pipeline as an event has it."""
    answer = {"not_asked": forecast.not_asked} if forecast.not_asked else {"steps": forecasts_to_json(forecast.steps)}
    return {"job": str(forecast.job), **answer}


def reuse_lines(forecast: ReuseForecast, planned: Sequence[StepForecast]) -> Iterator[str]:
    """Yield what the store says of the steps of a pipeline: how many are reused, and where the plan says otherwise.

    Nothing if it has the result of none, and the plan expects nothing else.
    """
    if forecast.not_asked:
        yield f"forecast of the object store: not asked: {forecast.not_asked}"
        return
    by_verdict = {verdict: [item.step for item in forecast.steps if item.verdict is verdict] for verdict in StepVerdict}
    expected = {item.step: item.verdict for item in planned}
    contrary = [item for item in forecast.steps if (expected.get(item.step), item.verdict) in _CONTRARY]
    if not by_verdict[StepVerdict.SAME] and not contrary:
        return
    running, later = by_verdict[StepVerdict.CHANGED], by_verdict[StepVerdict.KNOWN_LATER]
    phrases = [f"{len(by_verdict[StepVerdict.SAME])} of {pluralize(len(forecast.steps), 'step')} reused"]
    phrases += [f"{join_some(running)} {'runs' if len(running) == 1 else 'run'}"] if running else []
    phrases += [f"{len(later)} known after {'it' if len(running) == 1 else 'them'}"] if later and running else []
    phrases += [f"{len(later)} known later"] if later and not running else []
    yield f"forecast of the object store: {'; '.join(phrases)}"
    rows = forecast_rows(forecasts_to_json(contrary))
    yield from (f"  {name}: {text.replace(_PHRASES[StepVerdict.SAME], 'reused from', 1)}" for name, text in rows)


_CONTRARY = frozenset({(StepVerdict.CHANGED, StepVerdict.SAME), (StepVerdict.SAME, StepVerdict.CHANGED)})


def _group_key(step: Json) -> tuple[str, str]:
    """Return what is equal for steps of one sort: all that run have the same cause."""
    return step["verdict"], step["cause"] if step["verdict"] == StepVerdict.CHANGED else ""


def _describe(step: Json) -> str:
    verdict, cause = StepVerdict(step["verdict"]), step["cause"]
    if verdict is StepVerdict.CHANGED and cause == _NO_CAUSE_CLAUSE:
        return f"runs, {cause}"
    return f"{_PHRASES[verdict]} {cause}"


_PHRASES: Mapping[StepVerdict, str] = {
    StepVerdict.SAME: "same as in",
    StepVerdict.CHANGED: "runs because",
    StepVerdict.KNOWN_LATER: "known after",
}


def _describe_group(group: Sequence[Json]) -> str:
    verdict = StepVerdict(group[0]["verdict"])
    if verdict is StepVerdict.CHANGED:
        return _describe(group[0]).replace("runs", "run", 1)
    runs = {step["cause"].partition("/")[0] for step in group}
    if verdict is StepVerdict.SAME:
        return f"same as in {runs.pop() if len(runs) == 1 else 'earlier runs'}"
    return f"known after {runs.pop() if len(runs) == 1 else 'other steps'}"
