"""What mlgit supports of the jobs that it runs itself, such as sweeps, and of parallel nodes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from reconciler.format.assets import kind_of
from reconciler.model import Asset, Spec
from reconciler.planning.jobs import find_planner
from reconciler.planning.jobs.parallel_fields import is_parallel_job
from reconciler.planning.jobs.support import NODE_SUPPORT
from reconciler.planning.support import SupportProblem, SupportReport, check_support, with_own_problems
from reconciler.planning.unknown_fields import ignore_unknown_fields
from reconciler.sweeps.settings import read_sampling, required_module


def check_by_planner(job: Asset) -> SupportReport | None:
    """Return what mlgit supports of a job that it runs itself, such as a sweep; None for any other."""
    if is_parallel_job(job.spec):
        return None
    planner = find_planner(job.spec)
    support = planner.support if planner else NODE_SUPPORT.get(str(job.spec.get("type")))
    if support is None:
        return None
    report = check_support(job, support, "mlgit", "see docs/support.md")
    problems = (*_find_missing_module(job.spec), *_find_partition_keys(job.spec))
    report, refused = ignore_unknown_fields(report, job.address.kind), {problem.pointer for problem in problems}
    ignored = tuple(item for item in report.ignored if item.pointer not in refused)
    return with_own_problems(report._replace(ignored=ignored), problems, "mlgit")


def is_realised(asset: Asset) -> bool:
    """Return True for an asset that a provider realises; a parallel job is one as a step."""
    return kind_of(asset).is_supported(asset.spec) or is_parallel_job(asset.spec)


def _find_partition_keys(node: Spec) -> Iterator[SupportProblem]:
    """Yield that the rows of tables are not divided."""
    if "partition_keys" in node:
        message = "mlgit does not support partition_keys: they are columns of tables, and mini-batches have files"
        hint = "write the rows of each partition into a file, and set mini_batch_size"
        yield SupportProblem("/partition_keys", "not-supported", message, hint)


def _find_missing_module(sweep: Spec) -> Iterator[SupportProblem]:
    """Yield the module that a sweep needs if it is not installed: drivers run with the Python that runs this."""
    name = required_module(sweep)
    if name and find_spec(name) is None:
        message = f"{read_sampling(sweep)[0]} sampling needs {name}, which is not installed"
        yield SupportProblem("/sampling_algorithm", "extra-missing", message, "run `pip install 'mlgit[sweep]'`")
