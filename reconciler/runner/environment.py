"""The environment variables of the command: an allow-list of the runner's own, then those of the spec."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .command import CommandValue, ShellWord
from .descendants import MARK_VARIABLE
from .spec import RunSpec

# All are about the machine, none has a user's secrets. Proxy variables are left out: they often contain passwords.
_ALLOWED_VARIABLES = frozenset(
    {
        "LD_LIBRARY_PATH",  # drivers in the folders of a cluster
        "HOME",  # the caches of libraries
        "USER",  # read by getpass.getuser()
        "LOGNAME",  # the same
        "LANG",  # the encoding of the log
        "LANGUAGE",  # the language of messages
        "TZ",  # the time zone
        "TMPDIR",  # temporary files on a disk that is large enough
        "SSL_CERT_FILE",  # the certificates of a company
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "CUDA_VISIBLE_DEVICES",  # the accelerators that the scheduler assigned to this run
        "ROCR_VISIBLE_DEVICES",
        "OMP_NUM_THREADS",  # its share of the processors
    }
)
_ALLOWED_PREFIX = "LC_"
# Of these, the folders that exist: the PATH of the user who starts a run can lead into a Python environment of theirs.
_SYSTEM_PATH = (
    *("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"),
    *("/usr/local/cuda/bin", "/snap/bin", "/opt/homebrew/bin", "/run/current-system/sw/bin"),
)
_CALLER_ENVIRONMENTS = ("VIRTUAL_ENV", "CONDA_PREFIX")
_FIXED_VARIABLES = {
    "PYTHONUNBUFFERED": "1",  # so that the log can be read during the run
    "PYTHONDONTWRITEBYTECODE": "1",  # nothing is written beside the modules that several runs share
    "PYTHONNOUSERSITE": "1",  # no packages of the user's home
    "PIP_REQUIRE_VIRTUALENV": "1",  # pip installs into the layer of a run, never into the system
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
# MLflow would use these instead of the token of the runner's tracking server.
_MLFLOW_CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")

_DATA_PREFIXES = {"inputs": "AZURE_ML_INPUT_", "outputs": "AZURE_ML_OUTPUT_"}
_DATA_REFERENCE_PREFIX = "AZUREML_DATAREFERENCE_"


def allowed_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of a process's variables that a job may see: about the machine, nothing secret.

    What leads into the Python environment that the process was started from is left out.
    """
    roots = tuple(f"{root}/" for name in _CALLER_ENVIRONMENTS if (root := variables.get(name)))
    return {
        name: value
        for name, value in variables.items()
        if (name in _ALLOWED_VARIABLES or name.startswith(_ALLOWED_PREFIX))
        and not any(f"{entry}/".startswith(roots) for entry in value.split(os.pathsep))
    }


def command_variables(
    runner_variables: Mapping[str, str],
    spec: RunSpec,
    tracking_variables: Mapping[str, str],
    values: Mapping[str, CommandValue],
) -> dict[str, str]:
    """Return the variables of the command; the ``values`` are those of the expressions in it.

    Those of the spec override the runner's, and what the run is and where it is tracked override both.
    """
    variables = allowed_variables(runner_variables) | _FIXED_VARIABLES
    variables["PATH"] = os.pathsep.join([*spec.path_entries, *filter(os.path.isdir, _SYSTEM_PATH)])
    variables.update(spec.environment)
    variables.update(spec.variables)
    variables.update(_run_variables(spec))
    variables.update(_data_variables(values))
    variables[MARK_VARIABLE] = str(spec.folder)
    variables.setdefault(
        "GIT_CEILING_DIRECTORIES", str(spec.folder)
    )  # the repository around the store is not the job's
    if "MLFLOW_TRACKING_TOKEN" in tracking_variables:
        for name in _MLFLOW_CREDENTIALS:
            variables.pop(name, None)
    variables.update(tracking_variables)
    variables.setdefault(
        "NO_PROXY", "127.0.0.1,localhost"
    )  # so that tracking calls do not go to a proxy that the job sets
    return variables


def _run_variables(spec: RunSpec) -> dict[str, str]:
    """Return what Azure ML calls the run, and what it belongs to."""
    variables = {
        "AZUREML_RUN_ID": spec.run,
        "AZUREML_ROOT_RUN_ID": spec.root_run or spec.run,
        "AZUREML_EXPERIMENT_NAME": spec.experiment,
        "AZUREML_ARM_PROJECT_NAME": spec.experiment,  # its older name
    }
    return {**variables, "AZUREML_ARM_WORKSPACE_NAME": spec.workspace} if spec.workspace else variables


def _data_variables(values: Mapping[str, CommandValue]) -> dict[str, str]:
    """Return the inputs and outputs as variables of their names, in the letter case of the job."""
    variables: dict[str, str] = {}
    for expression, value in values.items():
        kind, _, name = expression.partition(".")
        if kind in _DATA_PREFIXES:
            variables[f"{_DATA_PREFIXES[kind]}{name}"] = value.text
            if isinstance(value, ShellWord):  # a literal is no data
                variables[f"{_DATA_REFERENCE_PREFIX}{name}"] = value.text
    return variables
