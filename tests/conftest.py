"""What many tests need: mlgit run in this process, small workspaces, golden files rewritten by one flag."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from workspaces import SMALL, commit, git

from reconciler import cli
from reconciler.format.include import IncludeGlob
from reconciler.git.repository import Repository, open_repository
from reconciler.source import parse
from reconciler.source.dependencies import SourceFiles
from reconciler.source.parsed_file import ParsedFile

# In CI the same examples each time: a run says what the change did, not what chance did.
# On a busy machine the values of a test are made slowly, and an example takes long: neither is a fault of the test.
settings.register_profile("default", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True)
# For `make test-fast`: a mistake that few examples do not show, `make test` finds.
settings.register_profile("fast", settings.get_profile("default"), max_examples=15)
settings.load_profile("default")
if os.environ.get("CI"):
    settings.load_profile("ci")

pytest_plugins = ("services.fixtures",)

CASES = Path(__file__).parent / "cases"
# What differs from run to run and from machine to machine, and what stands for it in a golden file.
_MASKS = (
    (re.compile(r"(?<![A-Za-z0-9])([a-z_]+)-[0-9a-f]{8}(?=\b|_)"), r"\1-########"),
    (re.compile(r"\b[0-9a-f]{32,64}\b"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{10}\b"), "<commit>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"), "<time>"),
    (re.compile(r" \(\d+\.\d s\)"), ""),
    (re.compile(r"\bcpython-\d[\w.-]+"), "<platform>"),
    (re.compile(r"(\bpython\"?: \"?)\d+\.\d+\.\d+"), r"\1#.#.#"),
    # How long a run took: in a table, the column is wider than a short time.
    (re.compile(r"(?m)(<time>  )\d[\dminh. ]* s(?:$| +(?=\S))"), r"\1<duration>  "),
    (re.compile(r"(duration(?:_seconds)?\"?: )\d[\d.]*( s)?"), r"\1<duration>"),
    # How far a run or a build happens to be, when it is looked at.
    (re.compile(r"(?m)( run \S+) is (?:queued|running).*$"), r"\1 is <under way>"),
    # How many slots a compute without a file has: one for each core.
    (re.compile(r"\b(\d+ of )\d+ slots?\b"), r"\1<slots>"),
    (re.compile(r"(?m)^  environment/\S+: (?:installing|already built) .*\n"), ""),
    (re.compile(r"(?m)((?:^ *|\\n)by: )[^\"\n]*"), r"\1<user>"),
    (re.compile(r'("by": )"[^"]*"'), r'\1"<user>"'),
    (re.compile(r"(?m) +$"), ""),
    # The tests share one cache of environments.
    (re.compile(r"\n +forecast: cache hit, built before for Python [\d.]+(?=\n)"), ""),
)

_GIT_CONFIG = """
[user]
	name = Ada
	email = ada@example.org
[init]
	defaultBranch = main
[core]
	fsync = none
[gc]
	auto = 0
[maintenance]
	auto = false
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write what is seen into tests/cases")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without Python's search for cycles, in which a quarter of the time would pass: what is made stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _quiet_git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give Git an identity and no configuration of the user's, and mlgit caches of the tests' own."""
    home = tmp_path_factory.mktemp("home")
    config = home / "gitconfig"
    config.write_text(_GIT_CONFIG, "utf-8")
    patch = pytest.MonkeyPatch()
    patch.setenv("GIT_CONFIG_GLOBAL", str(config))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    # Without the samples of hooks, which each `git init` would copy.
    for name in ("hooks", "info"):
        (home / "template" / name).mkdir(parents=True)
    (home / "template/info/exclude").touch()
    patch.setenv("GIT_TEMPLATE_DIR", str(home / "template"))
    patch.setenv("MLGIT_CACHE_DIR", str(home / "cache"))
    yield
    patch.undo()


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Mlgit = Callable[..., Ended]


@pytest.fixture
def mlgit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mlgit:
    """Run mlgit in this process: ``mlgit("plan", cwd=folder)``."""
    # A busy machine may need more than a second for two small tables, and most plans have data in tables.
    monkeypatch.setattr("reconciler.project.table_comparisons.MAX_SECONDS", 20.0)

    def run(*arguments: str, cwd: Path) -> Ended:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.chdir(cwd)
            patch.setattr(sys, "argv", ["mlgit", *arguments])
            patch.setattr(cli, "freeze", lambda: None)  # this process goes on, and would keep all garbage
            with pytest.raises(SystemExit) as ended:
                cli.run_command_line()
        captured = capsys.readouterr()
        return Ended(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def mlgit_process() -> Callable[..., subprocess.Popen[str]]:
    """Start mlgit as a process of its own, for tests that kill or interrupt it."""

    def start(
        *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: int | None = None
    ) -> subprocess.Popen[str]:
        environment = {**os.environ, **(env or {})}
        # A plug-in's folder comes before what the tests themselves import from, and does not replace it.
        paths = [(env or {}).get("PYTHONPATH"), os.environ.get("PYTHONPATH")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        return subprocess.Popen(
            [sys.executable, "-m", "reconciler", *arguments],
            cwd=cwd,
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Make a small workspace, committed."""
    folder = tmp_path / "small"
    folder.mkdir()
    git(folder, "init", "--quiet")
    commit(folder, "start", SMALL)
    return folder


@pytest.fixture(scope="session")
def _applied(tmp_path_factory: pytest.TempPathFactory, _quiet_git: None) -> Path:
    folder = tmp_path_factory.mktemp("applied") / "small"
    folder.mkdir()
    git(folder, "init", "--quiet")
    commit(folder, "start", SMALL)
    command = [sys.executable, "-m", "reconciler", "apply", "--auto-approve", "--wait"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    git(folder, "repack", "-adq")  # copied in half of the time: one file in place of a hundred
    return folder


@pytest.fixture
def applied(_applied: Path, tmp_path: Path) -> Path:
    """Copy the small workspace, applied once for all tests: nothing is left to do in it."""
    subprocess.run(
        ["cp", "-R", "-p", _applied, tmp_path / "small"], check=True
    )  # hundreds of times: Python copies slowly
    return tmp_path / "small"


@pytest.fixture
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, str], None]:
    """Compare text with a file of tests/cases, what always differs masked; ``--rewrite-golden`` writes the file."""

    def compare(name: str, text: str) -> None:
        masked = text.replace(str(tmp_path), "<folder>")
        for pattern, mask in _MASKS:
            masked = pattern.sub(mask, masked)
        path = CASES / name
        if request.config.getoption("--rewrite-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(masked, encoding="utf-8")
        assert masked == path.read_text(encoding="utf-8"), f"{name} differs; see with --rewrite-golden and git diff"

    return compare


Open = Callable[[Path], Repository]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Open a repository; closed when the test is over."""
    opened_here: list[Repository] = []

    def open_one(folder: Path) -> Repository:
        opened_here.append(open_repository(folder))
        return opened_here[-1]

    yield open_one
    for repository in opened_here:
        repository.close()


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Make a repository without commits."""
    folder = tmp_path / "empty"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the files that are read."""
    opened_here: list[str] = []
    real = parse.parse_file

    def find(files: SourceFiles, path: str, glob: IncludeGlob, rules: Mapping[str, str]) -> ParsedFile:
        opened_here.append(path)
        return real(files, path, glob, rules)

    monkeypatch.setattr(parse, "parse_file", find)
    return opened_here
