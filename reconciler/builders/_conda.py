"""What the builder `conda` does: packages of channels by rattler, then those of pip by uv, in one prefix.

Scripts of packages of conda are run as conda runs them; of pip only wheels are installed, which run nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reconciler.builders import _rattler
from reconciler.builders._accepted_locks import accept_lock
from reconciler.builders._channels import ChannelSettings, choose_channels
from reconciler.builders._conda_file import CondaFile
from reconciler.builders._conda_find import CONDA_PREFIXES, has_current_choices, virtual_packages
from reconciler.builders._conda_lock import CondaLock, format_conda_lock, parse_conda_lock
from reconciler.builders._conda_problems import (
    declared_channels,
    find_certain_conda_problems,
    find_conda_notes,
    find_conda_problems,
    read_whole_conda_file,
)
from reconciler.builders._conda_scripts import find_activation_variables, read_installed, run_link_scripts
from reconciler.builders._conda_version import PYTHON, parse_conda_entry
from reconciler.builders._finished import python_path
from reconciler.builders._image import parse_image
from reconciler.builders._interpreter import probe_interpreter
from reconciler.builders._lock import parse_lock
from reconciler.builders._prefix_builder import PrefixBuilder
from reconciler.builders._prefix_files import format_package_count
from reconciler.builders._prefixes import (
    PrefixContent,
    PrefixFolder,
    PrefixVariables,
    environments_folder,
)
from reconciler.builders._problems import image_name
from reconciler.builders._uv import WHEELS_ONLY, compile_lock, run_program, run_uv_checked
from reconciler.diagnostics import Diagnostic, UserError, user_error
from reconciler.model import EMPTY_MAPPING
from reconciler.model.builder import BuildNote, BuildPlan, BuildProblem, Built, LockFile, ReportProgress
from reconciler.model.object_store import ObjectStore

_PIP = "pip"
_CHANNELS = "channel "  # in a variant
_COMPILE = "import compileall, sysconfig; compileall.compile_dir(sysconfig.get_path('purelib'), quiet=2)"


class CondaBuilder(PrefixBuilder):
    """Makes conda environments below `root`; several processes may build at once.

    ``versions`` are those of what the machine is, such as ``__cuda``, in the place of those found.
    """

    def __init__(
        self, root: Path | None, settings: ChannelSettings, versions: Mapping[str, str] = EMPTY_MAPPING
    ) -> None:
        self._settings = settings
        self._virtual_packages = versions
        self._prefixes = PrefixFolder(environments_folder(root) / CONDA_PREFIXES.folder, CONDA_PREFIXES, "CONDA_PREFIX")
        self._cache = self._prefixes.path / "cache"

    def plan(self, address: str, fingerprint: str, spec: Mapping[str, Any], lock: str = "") -> BuildPlan:
        problems = find_certain_conda_problems(spec, self._settings)
        if problems:
            raise UserError(*(Diagnostic(item.code, f"{address}: {item.message}", hint=item.hint) for item in problems))
        if lock:
            parse_conda_lock(address, lock)
        conda_file = read_whole_conda_file(spec)
        entries = tuple(_conda_entries(conda_file, parse_image(image_name(spec)).python))
        declared = declared_channels(spec)
        return BuildPlan(
            address=address,
            fingerprint=fingerprint,
            packages=conda_file.packages,
            conda_packages=entries,
            channels=choose_channels(declared, entries, self._settings),
            lock=lock,
            variables=dict(conda_file.variables),
            variant=self._variant(has_channels=bool(declared)),
        )

    def check(self, spec: Mapping[str, Any]) -> tuple[BuildProblem, ...]:
        return find_conda_problems(spec, self._settings)

    def notes(self, spec: Mapping[str, Any]) -> tuple[BuildNote, ...]:
        return find_conda_notes(spec, self._settings)

    def accept_lock(self, plan: BuildPlan, file: LockFile) -> str:
        accepted = accept_lock(plan, file, _rattler.machine_platform())
        if not accepted.conda_packages:
            message = f"{plan.address}: {file.path} has no packages of conda"
            raise user_error("lock-refused", message, "use a conda-lock.yml or a pixi.lock, or the builder venv")
        names = {package.name for package in accepted.conda_packages}
        if missing := [entry for entry in plan.conda_packages if _package_name(entry) not in names]:
            message = f"{plan.address}: {file.path} has no {missing[0]}, which the conda file requires"
            raise user_error("lock-refused", message, "lock it again, or correct the conda file")
        lock = CondaLock(_rattler.machine_platform(), accepted.conda_packages, accepted.pip_lock)
        return format_conda_lock(lock)

    def find(self, fingerprint: str) -> Built | None:
        return self._prefixes.find(fingerprint, self._is_current)

    def build(self, plan: BuildPlan, _store: ObjectStore, progress: ReportProgress) -> Built:
        return self._prefixes.build(plan, progress, self.find, lambda: self._resolve(plan, progress))

    def _variant(self, *, has_channels: bool) -> str:
        """Return what the settings make different, "" for nothing."""
        channels = [] if has_channels else [f"{_CHANNELS}{name}" for name in self._settings.channels]
        packages = [f"{name} {version or 'none'}" for name, version in sorted(self._virtual_packages.items())]
        return ", ".join([*channels, *packages])

    def _choices(self, plan: BuildPlan) -> dict[str, str]:
        uses_channels = plan.variant.startswith(_CHANNELS)
        return {
            "virtual_packages": json.dumps(self._virtual_packages, sort_keys=True),
            "channels": json.dumps(self._settings.channels) if uses_channels else "",
        }

    def _is_current(self, index: Mapping[str, Any]) -> bool:
        """Return False for a build with other choices than mlgit.yml says now."""
        return has_current_choices(index, self._settings.channels, self._virtual_packages)

    def _resolve(self, plan: BuildPlan, progress: ReportProgress) -> PrefixContent:
        index = self._prefixes.read_index(plan.fingerprint)
        previous = str(index["lock"]) if index.get("variant") == plan.variant else ""
        text = plan.lock or previous or self._compile_lock(plan, progress)
        lock = parse_conda_lock(plan.address, text)
        if lock.platform != _rattler.machine_platform():
            message = (
                f"{plan.address}: its lock is for {lock.platform}, and this machine is {_rattler.machine_platform()}"
            )
            raise user_error("lock-invalid", message, f"build it on a machine with {lock.platform}")
        return PrefixContent(
            lock=text,
            python=lock.python,
            platform=lock.platform,
            install=lambda prefix: self._install(plan.address, lock, prefix, progress),
            choices=self._choices(plan),
        )

    def _compile_lock(self, plan: BuildPlan, progress: ReportProgress) -> str:
        progress(f"resolving {format_package_count(len(plan.conda_packages))} of {', '.join(plan.channels)}")
        packages = _rattler.solve(plan, self._settings, self._virtual_packages, self._cache)
        lock = CondaLock(_rattler.machine_platform(), packages)
        return format_conda_lock(CondaLock(lock.platform, packages, self._compile_pip_lock(plan, lock, progress)))

    def _compile_pip_lock(self, plan: BuildPlan, lock: CondaLock, progress: ReportProgress) -> str:
        """Return the lock of the packages of pip, for the Python of the prefix and beside what conda has installed."""
        if not plan.packages:
            return ""
        progress(f"resolving {format_package_count(len(plan.packages))} of pip")
        with self._prefixes.temporary_prefix(plan.fingerprint) as prefix:
            _rattler.install(plan.address, lock, prefix, self._settings, self._cache)
            python = str(python_path(prefix))
            installed = json.loads(
                run_uv_checked(plan.address, ["pip", "list", "--format", "json", "--python", python])
            )
            named = {canonicalize_name(Requirement(package).name) for package in plan.packages}
            kept = [item for item in installed if canonicalize_name(item["name"]) not in named]
            constraints = prefix / "constraints.txt"
            constraints.write_text("".join(f"{item['name']}=={item['version']}\n" for item in kept), "utf-8")
            left_out = (option for item in kept for option in ("--no-emit-package", item["name"]))
            target = ("--python", python, "--constraints", str(constraints), *left_out)
            return compile_lock(plan.address, plan.packages, target, progress)

    def _install(self, address: str, lock: CondaLock, prefix: Path, progress: ReportProgress) -> PrefixVariables:
        """Install the packages of a lock into a new prefix, those of pip last; return what its activation sets."""
        pip_packages = parse_lock(address, lock.pip_lock)
        count = len(lock.packages) + len(pip_packages)
        progress(f"installing {format_package_count(count)} with Python {lock.python}")
        installed = read_installed(_rattler.install(address, lock, prefix, self._settings, self._cache))
        run_link_scripts(address, prefix, installed, progress)
        python = probe_interpreter(address, str(python_path(prefix)))
        target = ("--python", str(python_path(prefix)))
        if pip_packages:
            options = ("--require-hashes", "--no-deps", *WHEELS_ONLY)
            run_uv_checked(address, ["pip", "install", "--requirements", "-", *target, *options], lock.pip_lock)
        names = {package.name for package in lock.packages} | set(pip_packages)
        if _PIP not in names and python.pip_wheel:
            run_uv_checked(address, ["pip", "install", *target, "--offline", "--no-deps", python.pip_wheel])
        # Runs write no bytecode into an environment that they share. A file that cannot be compiled is never imported.
        run_program([str(python_path(prefix)), "-I", "-c", _COMPILE])
        return find_activation_variables(address, prefix, installed)


def _conda_entries(conda_file: CondaFile, series: str) -> Iterable[str]:
    """Yield the entries of a conda file, and Python as the image has it if it is not among them."""
    yield from (package.entry for package in conda_file.conda_packages)
    if all(package.name != PYTHON for package in conda_file.conda_packages):
        yield f"{PYTHON} {series}.*" if series else PYTHON


def _package_name(entry: str) -> str:
    parsed = parse_conda_entry(entry)
    return parsed.name if parsed else ""


def make_conda_builder(settings: Mapping[str, Any], root: Path | None, workspace: Path | None) -> CondaBuilder:
    """Return the builder that a block of mlgit.yml describes."""
    channels = ChannelSettings(tuple(settings.get("channels", ())), settings.get("mirrors", EMPTY_MAPPING), workspace)
    return CondaBuilder(root, channels, virtual_packages(settings))
