"""What providers are asked about: an asset as a whole and, of a pipeline or a sweep, each step as a job of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.data_references import is_data_reference
from reconciler.model import Asset, ResolvedAsset, ResolvedReference, Step
from reconciler.model.resolved import StepGraph
from reconciler.planning.jobs import lower_job
from reconciler.planning.jobs.lowering import Lowering
from reconciler.planning.jobs.parallel_fields import PARALLEL_TYPE, parallel_places
from reconciler.planning.jobs.sources import ComponentVersion

_INCLUDES = "additional_includes"  # mlgit itself puts them beside the code


@dataclass(frozen=True, slots=True)
class Subject:
    """An asset, or a step of one, which is written in the file of its ``owner``.

    ``places`` are where that says what a step has, by JSON pointer (``Step.places``). ``stored`` are the pointers of
    what is in the store with a registered component.
    """

    asset: Asset
    owner: Asset
    places: Mapping[str, str] | None = None
    stored: Collection[str] = ()

    def span(self, declared: AssetSet, pointer: str) -> Span:
        """Return where a value is written."""
        return declared.value_span(self.owner, pointer if self.places is None else find_place(self.places, pointer))


def find_place(places: Mapping[str, str], pointer: str) -> str:
    """Return the JSON pointer in the spec of a pipeline of what is at a pointer of a step."""
    prefix = pointer
    while prefix and prefix not in places:
        prefix = prefix.rpartition("/")[0]
    return places.get(prefix, "") + pointer[len(prefix) :]


def whole_subject(asset: Asset) -> Subject:
    """Return an asset as a whole."""
    return Subject(asset, asset)


def runs_of(asset: Asset, graph: StepGraph | None) -> Iterator[Subject]:
    """Yield what runs of a job: its steps, or the job itself if it has none."""
    if graph is None:
        yield whole_subject(asset)
    for step in graph.steps.values() if graph else ():
        yield _step_subject(asset, step)


def subjects_of(asset: Asset, graph: StepGraph | None) -> Iterator[Subject]:
    """Yield all about which a provider is asked: an asset, its steps, and what a sweep or a parallel node says."""
    yield whole_subject(asset)
    for step in graph.steps.values() if graph else ():
        yield _named_by_type(_step_subject(asset, step), step)
        if step.sweep is not None and step.places.get(""):
            spec = {"type": "sweep", **step.sweep}
            yield Subject(step.job.asset._replace(spec=spec, references=(), paths=()), asset, {"": step.places[""]})
        if step.parallel is not None:
            spec = {"type": PARALLEL_TYPE, **step.parallel}
            yield Subject(step.job.asset._replace(spec=spec, references=(), paths=()), asset, parallel_places(step))


def _step_subject(owner: Asset, step: Step) -> Subject:
    job = step.job.asset
    if _INCLUDES in job.spec:
        job = job._replace(spec={name: value for name, value in job.spec.items() if name != _INCLUDES})
    return Subject(job, owner, step.places, step.version_paths.keys())


def _named_by_type(subject: Subject, step: Step) -> Subject:
    """Return a step whose job is of the type `parallel` if its node is: a backend can have entries about these."""
    if step.parallel is None:
        return subject
    spec = {**subject.asset.spec, "type": PARALLEL_TYPE}
    return replace(subject, asset=subject.asset._replace(spec=spec))


def lower_declared(declared: AssetSet, asset: Asset) -> Lowering:
    """Return a job as steps, as far as files tell: a component that is only live is not known."""
    if not kind_of(asset).is_runnable:
        return Lowering()

    def find_component(reference: ResolvedReference) -> ComponentVersion | None:
        target = declared.readable_assets.get(reference.address)
        if target is None or reference.version not in ("", target.version):
            return None
        contents = {path.pointer: "" for path in target.paths}
        return ComponentVersion(target.address, target.version, target.spec, contents, _targets(target))

    return lower_job(ResolvedAsset(asset, {}, _targets(asset), "", ""), find_component)


def _targets(asset: Asset) -> dict[str, ResolvedReference]:
    return {
        reference.pointer: ResolvedReference(reference.address, reference.version, "", reference.output, reference.path)
        for reference in asset.references
        if not is_data_reference(reference)
    }


def problems_of_lowering(declared: AssetSet, asset: Asset, lowering: Lowering) -> Iterator[Diagnostic]:
    """Yield what of a job no step can be made of."""
    for problem in lowering.problems:
        span = declared.value_span(asset, problem.pointer)
        yield Diagnostic(problem.code, f"{asset.address}: {problem.message}", span, problem.hint)


def distinct_diagnostics(diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield diagnostics without those that say the same of the same place: steps can share a component."""
    seen: set[tuple[str, Span | None, str]] = set()
    for diagnostic in diagnostics:
        key = (diagnostic.code, diagnostic.span, diagnostic.message.partition(": ")[2])
        if key not in seen:
            seen.add(key)
            yield diagnostic
