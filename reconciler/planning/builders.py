"""Which builder of mlgit.yml builds an environment, and why: by what it can build and by what backends accept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.abbreviation import join_some
from reconciler.config.config import Config
from reconciler.format.assets import AssetSet
from reconciler.model import EMPTY_MAPPING, Address, BuilderChoice
from reconciler.model.plugins import Form
from reconciler.planning.compute import compute_name
from reconciler.planning.environments import ENVIRONMENT_POINTER
from reconciler.planning.subjects import lower_declared, runs_of


class BuilderVerdict(NamedTuple):
    """What a builder says of an environment: what it makes of it, and why it cannot, "" if it can."""

    builder: str
    produces: Form
    refusal: str = ""


class BuilderCandidates(NamedTuple):
    """The builders that may build an environment, in the order of mlgit.yml, and what its backends accept.

    ``is_demanded`` is True if ``builder:`` of mlgit.yml names the one that has to.
    """

    verdicts: tuple[BuilderVerdict, ...] = ()
    accepts: Mapping[str, frozenset[Form]] = EMPTY_MAPPING
    is_demanded: bool = False

    @property
    def has_choice(self) -> bool:
        """True if what backends accept can make a difference."""
        return len({verdict.produces for verdict in self.verdicts}) > 1

    @property
    def makes_images(self) -> bool:
        """True if one of them makes images, in which a backend may be able to run no job."""
        return any(verdict.produces is Form.IMAGE for verdict in self.verdicts)

    def produces_image(self, builder: str) -> bool:
        """Return True if a builder makes images."""
        return any(verdict.builder == builder and verdict.produces is Form.IMAGE for verdict in self.verdicts)


def choose_builder(candidates: BuilderCandidates, backend: str = "") -> BuilderChoice | None:
    """Return the first builder that can build an environment in a form that a backend accepts; None if none can."""
    accepts = candidates.accepts.get(backend)
    skipped: list[str] = []
    for verdict in candidates.verdicts:
        if accepts is not None and verdict.produces not in accepts:
            form = _FORM_PHRASES[verdict.produces]
            skipped.append(f"the backend {backend} runs no jobs in {form}, which is what {verdict.builder} makes")
        elif verdict.refusal:
            skipped.append(verdict.refusal)
        else:
            return BuilderChoice(verdict.builder, _reason(candidates, skipped), (backend,) if backend else ())
    return None


_FORM_PHRASES: Mapping[Form, str] = {
    Form.PREFIX: "a folder",
    Form.FIXED_PREFIX: "a folder that stays on its machine",
    Form.IMAGE: "an image",
}


def _reason(candidates: BuilderCandidates, skipped: Sequence[str]) -> str:
    if candidates.is_demanded:
        return "builder: in mlgit.yml says so"
    if skipped:
        return "; ".join(skipped)
    return "it is the first builder of mlgit.yml" if len(candidates.verdicts) > 1 else ""


def choose_builders(candidates: BuilderCandidates, backends: Iterable[str]) -> tuple[BuilderChoice, ...]:
    """Return the builders of an environment for runs on some backends, each once; without backends, for any run."""
    choices: dict[str, BuilderChoice] = {}
    for backend in dict.fromkeys(backends) if candidates.has_choice else ():
        if choice := choose_builder(candidates, backend):
            known = choices.get(choice.builder, choice)
            choices[choice.builder] = known._replace(backends=tuple(dict.fromkeys((*known.backends, backend))))
    if not choices and (choice := choose_builder(candidates)):
        return (choice,)
    return tuple(choices.values())


def describe_choices(choices: Sequence[BuilderChoice], builders: Iterable[str]) -> str:
    """Return by which of all builders an environment is built, and why: ``with docker because ...``."""
    if not choices:
        return f"with {' or '.join(builders)}"
    if len(choices) == 1:
        (choice,) = choices
        return f"with {choice.builder}{f' because {choice.why}' if choice.why else ''}"
    return ", ".join(f"with {choice.builder} for runs on {join_some(choice.backends)}" for choice in choices)


def backends_of_users(declared: AssetSet, environment: Address, config: Config) -> Iterator[str]:
    """Yield the backends of the jobs and steps that name a declared environment."""
    for asset in declared.assets.values():
        if any(reference.address == environment for reference in asset.references):
            for subject in runs_of(asset, lower_declared(declared, asset).graph):
                references = subject.asset.references
                if any(item.pointer == ENVIRONMENT_POINTER and item.address == environment for item in references):
                    yield config.backend_of(compute_name(subject.asset))
