"""Bayesian sampling by the tree-structured Parzen estimator of Optuna, without any storage of its own.

The recorded trials are replayed into a study in memory, in one go, and it is asked for one point, with a seed of its
token and number. Trials that still run count as bad ones, so that those beside them look elsewhere; trials that ended
without a finite value do not count.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from reconciler.model.assets import Json, Spec
from reconciler.sweeps.objective import best_value, is_maximized
from reconciler.sweeps.random_sampling import seed_of
from reconciler.sweeps.settings import CHOICE, is_distribution, read_number, read_type
from reconciler.sweeps.spaces import choice_name, fill_choice
from reconciler.sweeps.trials import Trial

# Optuna and its objects, which are loaded by name.
_Optuna: TypeAlias = Any


def bayesian_point(sweep: Spec, trials: Iterable[Trial], index: int, token: str) -> dict[str, Json]:
    """Return the point of the trial of a number; ``trials`` are those before it."""
    optuna = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed_of(token, index), constant_liar=True, multivariate=False)
    study = optuna.create_study(sampler=sampler, direction="maximize" if is_maximized(sweep) else "minimize")
    study.add_trials([_replay_trial(optuna, sweep, trial) for trial in trials])
    asked = study.ask()
    return {name: _suggest(asked, name, distribution) for name, distribution in sweep["search_space"].items()}


def _suggest(asked: _Optuna, name: str, distribution: Mapping[str, Json]) -> Json:
    """Return the value of a distribution in the point that a study is asked for."""
    if read_type(distribution) == CHOICE:
        values = distribution["values"]
        index = asked.suggest_categorical(name, range(len(values)))
        return fill_choice(values[index], lambda key, inner: _suggest(asked, choice_name(name, index, key), inner))
    if "q" in distribution:
        return asked.suggest_int(name, *_step_range(distribution)) * read_number(distribution["q"])
    return asked.suggest_float(name, *_bounds(distribution))


def _replay_trial(optuna: _Optuna, sweep: Spec, trial: Trial) -> _Optuna:
    """Return a recorded trial as Optuna has it."""
    states = optuna.trial.TrialState
    value = None if trial.status.is_active else best_value(sweep, trial.values)
    ended = states.FAIL if value is None else states.COMPLETE
    replayed = {
        name: (known, internal)
        for parameter, distribution in sweep["search_space"].items()
        for name, known, internal in _replay_value(optuna, parameter, distribution, trial.params[parameter])
    }
    return optuna.trial.create_trial(
        state=states.RUNNING if trial.status.is_active else ended,
        value=value,
        params={name: internal for name, (_, internal) in replayed.items()},
        distributions={name: known for name, (known, _) in replayed.items()},
    )


def _replay_value(
    optuna: _Optuna, name: str, distribution: Mapping[str, Json], value: Json
) -> Iterator[tuple[str, _Optuna, float]]:
    """Yield the name, the distribution and the value there of what `_suggest` made a value of, as Optuna has them."""
    known = optuna.distributions
    if read_type(distribution) == CHOICE:
        values = distribution["values"]
        index = next(index for index, choice in enumerate(values) if _can_make(choice, value))
        yield name, known.CategoricalDistribution(range(len(values))), index
        for key, inner in values[index].items() if isinstance(value, Mapping) else ():
            if is_distribution(inner):
                yield from _replay_value(optuna, choice_name(name, index, key), inner, value[key])
    elif "q" in distribution:
        steps = round(value / read_number(distribution["q"]))
        yield name, known.IntDistribution(*_step_range(distribution)), steps
    else:
        yield name, known.FloatDistribution(*_bounds(distribution)), value


def _can_make(choice: Json, value: Json) -> bool:
    """Return True if a value of a choice is the one given, whatever the distributions in it made."""
    template = fill_choice(choice, lambda *_: None)
    if isinstance(value, Mapping) and isinstance(choice, Mapping):
        value = {key: None if is_distribution(choice.get(key)) else inner for key, inner in value.items()}
    return json.dumps(template, sort_keys=True) == json.dumps(value, sort_keys=True)


def _bounds(distribution: Mapping[str, Json]) -> tuple[float, float]:
    return read_number(distribution["min_value"]), read_number(distribution["max_value"])


def _step_range(distribution: Mapping[str, Json]) -> tuple[int, int]:
    """Return the smallest and the largest number of steps of a distribution that is rounded to a step."""
    low, high = (round(bound / read_number(distribution["q"])) for bound in _bounds(distribution))
    return low, high
