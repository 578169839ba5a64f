"""Workspaces for `benchmarks/plan.py`: N assets of mixed kinds in one repository, and a live state that has them all.

The state is written directly, as an apply would have left it: applying for real takes minutes at the sizes that are
of interest, and is measured on its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from reconciler.format.assets import kind_of
from reconciler.model import Action, Address, Op, Record, Run, RunStatus, State
from reconciler.planning.fingerprint import FP_VERSION
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import DesiredState, PlanInputs, make_plan
from reconciler.project.check import make_desired
from reconciler.project.incremental import share_index
from reconciler.project.session import open_session
from reconciler.source.assets import read_asset_set
from reconciler.state.store import WriteBatch

LINEAGE = "5" * 32
GROUP = 20  # assets that belong together: an environment, a datastore, and these
DATA, COMPONENTS, JOBS, DERIVED = range(2, 8), range(8, 12), range(12, 17), range(17, 19)
URL = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"
CONFIG = f"""\
state: {{name: bench, lineage: "{LINEAGE}"}}
store: {{path: .mlgit/store}}
backends: {{local: {{type: local}}}}
compute: {{"*": local}}
assets:
  include: [{{glob: "**/*.yml", run: RUN}}]
  exclude: ["**/conda.yml"]
"""


def mixed(assets: int) -> Iterator[tuple[str, str]]:
    """Yield the files of a workspace, path and text: groups of data, components, jobs, models, ..."""
    for number in range(assets):
        group, index = divmod(number, GROUP)
        yield from _member(group, index, f"g{group:05}")
        if index == 0:
            yield f"g{group:05}/src/train.py", f"print('group {group}')\n"
            yield f"g{group:05}/src/lib/model.py", "WEIGHTS = 1\n"


def _member(group: int, index: int, folder: str) -> Iterator[tuple[str, str]]:
    name = f"g{group}-{index}"
    about = f"description: Asset {index} of group {group}\ntags: {{team: t{group % 13}, stage: dev, purpose: bench}}\n"
    if index == 0:
        head = f"{URL.format('environment')}name: {name}\n{about}"
        yield f"{folder}/environment.yml", f"{head}image: mcr.example.org/python:3.11\nconda_file: conda.yml\n"
        yield f"{folder}/conda.yml", "name: e\nchannels: [conda-forge]\ndependencies:\n  - python=3.11\n  - pip\n"
    elif index == 1:
        head = f"{URL.format('azureBlob')}name: store_{group}\ntype: azure_blob\n{about}"
        yield f"{folder}/datastore.yml", f"{head}account_name: account{group % 7}\ncontainer_name: c{group}\n"
    elif index in DATA:
        yield (
            f"{folder}/d{index}.yml",
            f"{URL.format('data')}name: {name}\ntype: uri_file\n{about}path: d{index}.csv\n",
        )
        yield f"{folder}/d{index}.csv", f"n\n{group}\n{index}\n"
    elif index in COMPONENTS:
        yield f"{folder}/c{index}.yml", _component(name, about, group)
    elif index in JOBS:
        yield f"{folder}/j{index}.yml", _job(name, about, group, index)
    elif index in DERIVED:
        path = f"azureml://jobs/g{group}-{index - 3}/outputs/model"
        yield (
            f"{folder}/m{index}.yml",
            f"{URL.format('model')}name: {name}\ntype: custom_model\n{about}path: {path}\n",
        )
    else:
        yield (
            f"{folder}/m{index}.yml",
            f"{URL.format('model')}name: {name}\ntype: custom_model\n{about}path: src/lib\n",
        )


def _component(name: str, about: str, group: int) -> str:
    return f"""{URL.format("commandComponent")}name: {name.replace("-", "_")}
type: command
{about}display_name: Component {name}
inputs:
  training_data:
    type: uri_file
    description: What is learnt from
  rate:
    type: number
    default: 0.1
outputs:
  model:
    type: uri_folder
code: src
environment: azureml:g{group}-0@latest
command: >-
  python train.py --data ${{{{inputs.training_data}}}} --rate ${{{{inputs.rate}}}} --out ${{{{outputs.model}}}}
"""


def _job(name: str, about: str, group: int, index: int) -> str:
    return f"""{URL.format("commandJob")}name: {name}
type: command
{about}display_name: Training {name}
experiment_name: bench
code: src
command: >-
  python train.py --data ${{{{inputs.numbers}}}} --epochs ${{{{inputs.epochs}}}} --out ${{{{outputs.model}}}}
inputs:
  numbers:
    type: uri_file
    path: azureml:g{group}-{index - 10}@latest
  epochs: {index}
outputs:
  model:
    type: uri_folder
environment: azureml:g{group}-0@latest
compute: local
limits:
  timeout: 3600
"""


def fan(assets: int) -> Iterator[tuple[str, str]]:
    """Yield the files of a workspace in which all jobs use one environment."""
    head = URL.format("environment")
    yield "environment.yml", f"{head}name: common\nimage: mcr.example.org/python:3.11\nconda_file: conda.yml\n"
    yield "conda.yml", "name: e\nchannels: [conda-forge]\ndependencies:\n  - python=3.11\n"
    yield "src/train.py", "print('train')\n"
    for number in range(assets - 1):
        head = f"{URL.format('commandJob')}name: j{number}\ncommand: python train.py {number}\ncode: ../../src\n"
        tail = f"tags: {{team: t{number % 13}}}\nenvironment: azureml:common@latest\ncompute: local\n"
        yield f"jobs/{number % 100:02}/j{number}.yml", head + tail


def data_only(assets: int) -> Iterator[tuple[str, str]]:
    """Yield the files of a workspace of data assets with tracked files, for the measurement of registering."""
    for number in range(assets):
        stem = f"d{number % 100:02}/d{number}"
        yield f"{stem}.yml", f"{URL.format('data')}name: d{number}\ntype: uri_file\npath: d{number}.csv\n"
        yield f"{stem}.csv", f"n\n{number}\n"


def write(folder: Path, files: Iterator[tuple[str, str]], run: str = "on-change") -> None:
    """Write files and commit them."""
    folders: set[Path] = set()
    for name, text in [("mlgit.yml", CONFIG.replace("RUN", run)), (".gitignore", "/.mlgit/\n"), *files]:
        path = folder / name
        if path.parent not in folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            folders.add(path.parent)
        path.write_text(text, encoding="utf-8")
    for command in (("init", "--quiet", "-b", "main"), ("add", "--all")):
        git(folder, *command)
    commit(folder)


def commit(folder: Path) -> None:
    """Commit the work tree."""
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=b", "-c", "user.email=b@b", "-c", "gc.auto=0", "commit", "--quiet", "-m", "c")


def git(folder: Path, *arguments: str) -> None:
    """Run one Git command."""
    subprocess.run(["git", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def write_converged_state(folder: Path, history: int = 0) -> int:
    """Write a state that needs no changes, and ``history`` older runs; return the number of records."""
    records: dict[object, Record] = {}
    with open_session(folder, "HEAD") as session:
        asset_set, state = read_asset_set(session.tree, session.config), session.state_store
        assert not asset_set.diagnostics, asset_set.diagnostics[:3]
        desired = make_desired(session, asset_set, state.read())
        while writes := _plan_batch(desired, state.read(), PlanOptions(session.config), records):
            state.write(writes, "bench")
        if history:
            state.write(WriteBatch(runs=tuple(_older(history))), "history")
    with open_session(folder, "HEAD") as session:
        share_index(session)
    git(folder, "gc", "--quiet")
    return len(records)


def _plan_batch(
    desired: DesiredState, state: State, plan_options: PlanOptions, records: dict[object, Record]
) -> WriteBatch | None:
    plan, problems = make_plan(PlanInputs(desired, state, plan_options))
    assert not problems, problems[:3]
    current: list[Record] = []
    versions: list[Record] = []
    runs: list[Run] = []
    for action in plan.actions:
        if action.known_after is None and action.op is not Op.BUILD:
            record = _applied(action, desired.source.commit, plan_options)
            current.append(record)
            records[action.address] = record
            versions += [record] if record.version else []
            runs += [_completed(action.run)] if action.run else []
    if not current:
        return None
    meta = {"applied": desired.source.commit}
    return WriteBatch(current=tuple(current), versions=tuple(versions), runs=tuple(runs), meta=meta)


def _applied(action: Action, commit: str, plan_options: PlanOptions) -> Record:
    resolved = action.resolved
    assert resolved is not None
    run = action.run.id if action.run else ""
    bound = kind_of(resolved.asset).uses_backend
    return Record(
        action.address,
        resolved.asset.spec,
        resolved.fingerprint,
        resolved.metadata,
        FP_VERSION,
        version="" if run else action.version,
        seq=action.seq,
        top=action.seq,
        contents=resolved.contents,
        references=resolved.references,
        source=resolved.asset.source,
        declared_at=commit,
        applied_at="2024-01-01T00:00:00Z",
        lineage={"commit": commit},
        realised={"backend": plan_options.config.backend_of(action.address.name)} if bound else {},
        run=run,
        latest=run,
    )


def _completed(run: Run) -> Run:
    content = {"md5": run.token[:32], "sha256": run.token, "size": 1, "files": 1}
    outputs = dict.fromkeys(run.spec.get("outputs") or {}, content)
    return replace(run, status=RunStatus.COMPLETED, outputs=outputs, submitted_at="2024-01-01T00:00:00.000Z")


def _older(runs: int) -> Iterator[Run]:
    """Yield runs of other commits, for a hundred jobs."""
    for number in range(runs):
        address = Address("job", f"g{number % 100}-12")
        token = f"{number:040x}"
        yield Run(f"old-{number}", address, token, token, 1, "local", RunStatus.COMPLETED, submitted_at="2023-01-01")


def main() -> None:
    """Make a workspace: shape, folder, number of assets, number of older runs."""
    shape, folder, assets, history = sys.argv[1:]
    write(Path(folder), {"mixed": mixed, "fan": fan}[shape](int(assets)))
    print(f"{shape}: {write_converged_state(Path(folder), int(history))} assets are live", file=sys.stderr)


if __name__ == "__main__":
    main()
