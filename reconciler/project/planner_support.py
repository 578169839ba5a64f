"""What mlgit supports of the jobs that it runs itself, such as sweeps, and of parallel nodes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from reconciler.format.assets import kind_of
from reconciler.model import Asset, Spec
from reconciler.model.support import Ignored, IgnoredField
from reconciler.planning.jobs import find_planner
from reconciler.planning.jobs.parallel_fields import is_parallel_job
from reconciler.planning.jobs.support import NODE_SUPPORT
from reconciler.planning.support import SupportProblem, SupportReport, check_support, with_own_problems
from reconciler.planning.unknown_fields import ignore_unknown_fields
from reconciler.sweeps.settings import read_sampling, required_module

_SIZE_OF_PARTITIONS = Ignored("/mini_batch_size", "each mini-batch has one combination of the partition_keys")


def check_by_planner(job: Asset) -> SupportReport | None:
    """Return what mlgit supports of a job that it runs itself, such as a sweep; None for any other."""
    if is_parallel_job(job.spec):
        return None
    planner = find_planner(job.spec)
    support = planner.support if planner else NODE_SUPPORT.get(str(job.spec.get("type")))
    if support is None:
        return None
    report = check_support(job, support, "mlgit", "see docs/support.md")
    problems = tuple(_find_missing_module(job.spec))
    report, refused = ignore_unknown_fields(report, job.address.kind), {problem.pointer for problem in problems}
    ignored = tuple(item for item in report.ignored if item.pointer not in refused)
    if job.spec.get("partition_keys") and job.spec.get("mini_batch_size") is not None:
        ignored = (*ignored, IgnoredField(_SIZE_OF_PARTITIONS.pointer, _SIZE_OF_PARTITIONS))
    return with_own_problems(report._replace(ignored=ignored), problems, "mlgit")


def is_realised(asset: Asset) -> bool:
    """Return True for an asset that a provider realises; a parallel job is one as a step."""
    return kind_of(asset).is_supported(asset.spec) or is_parallel_job(asset.spec)


def _find_missing_module(sweep: Spec) -> Iterator[SupportProblem]:
    """Yield the module that a sweep needs if it is not installed: drivers run with the Python that runs this."""
    name = required_module(sweep)
    if name and find_spec(name) is None:
        message = f"{read_sampling(sweep)[0]} sampling needs {name}, which is not installed"
        yield SupportProblem("/sampling_algorithm", "extra-missing", message, "run `pip install 'mlgit[sweep]'`")
