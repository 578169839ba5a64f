"""Assets with their dependencies resolved; of a pipeline or a sweep also the graph of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.model.assets import EMPTY_MAPPING, Address, Asset, Spec


@dataclass(frozen=True, slots=True)
class ResolvedReference:
    """The target of a reference: a version of an asset or a run of a job, and its fingerprint."""

    address: Address
    version: str
    fingerprint: str
    output: str = ""
    path: str = ""

    def __str__(self) -> str:
        output = "/".join(filter(None, (self.output, self.path)))
        return self.address.format_with_version(self.version) + (f" outputs/{output}" if output else "")


class ResolvedAsset(NamedTuple):
    """An asset with its dependencies resolved. ``fingerprint`` is "" if a run that has not ended decides it.

    ``environment`` is that of a job if no file declares it: the job writes it itself, or it is one of a registry.
    ``graph`` are the steps of a pipeline or a sweep, None for anything else.
    """

    asset: Asset
    contents: Mapping[str, str]
    references: Mapping[str, ResolvedReference]
    fingerprint: str
    metadata: str
    known_after: Address | None = None
    environment: ResolvedAsset | None = None
    graph: StepGraph | None = None


class StepOutput(NamedTuple):
    """An output of a step, which another step reads, or which is an output of the pipeline."""

    step: str
    output: str

    def __str__(self) -> str:
        return f"{self.step}.{self.output}"


class VersionPath(NamedTuple):
    """What a registered version has at a JSON pointer of its spec, such as the code of a component."""

    address: Address
    version: str
    pointer: str


class Step(NamedTuple):
    """A step of a pipeline, or a sweep, as the command job that it would be by itself.

    ``path`` is unique in its graph: the names of its nodes, outer first, ``outer.inner``. ``job`` has in its spec what
    the node and its component say together: the command and its environment, and values for all inputs but those that
    are bound: ``bindings`` has the outputs of other steps, by the name of the input. Its contents and references are
    by pointers of that spec; what comes from a registered component has a ``version_paths`` entry in place of a path.
    ``places`` tells where the file of the pipeline says it: the pointer there by a pointer of the spec, of which the
    longest one that is a prefix counts. ``sweep`` are the fields of a sweep (``search_space``, ``objective``,
    ``sampling_algorithm``, ``early_termination``, ``limits``), whose trials run the job; None for a command.
    ``parallel`` are those of a parallel node (``mini_batch_size``, ``task`` and the like), whose command is the
    arguments of its script; None for any other.
    """

    path: str
    job: ResolvedAsset
    bindings: Mapping[str, StepOutput] = EMPTY_MAPPING
    version_paths: Mapping[str, VersionPath] = EMPTY_MAPPING
    places: Mapping[str, str] = EMPTY_MAPPING
    component: str = ""  # the component and its version, for a person; blank for one without a name
    is_deterministic: bool = True
    sweep: Spec | None = None
    parallel: Spec | None = None


class StepGraph(NamedTuple):
    """The steps of a pipeline, nested ones and sweeps included, each after those that it reads from.

    A sweep job is a graph of one step, ``is_sweep``; its result is never reused. ``outputs`` are those of the run by
    name, with the output of a step that each is. With ``is_forced`` no step is reused. Without ``continues_on_failure``
    a failed step cancels all others.
    """

    steps: Mapping[str, Step]
    outputs: Mapping[str, StepOutput] = EMPTY_MAPPING
    continues_on_failure: bool = True
    is_forced: bool = False
    is_sweep: bool = False

    @property
    def reuses_results(self) -> bool:
        """False if all steps run, and none of their results is kept for reuse."""
        return not self.is_forced and not self.is_sweep
