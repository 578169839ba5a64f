"""The environment variables of the command: an allow-list of the runner's own, then those of the spec."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .spec import RunSpec

# All are about the machine, none has a user's secrets. Proxy variables are left out: they often contain passwords.
_ALLOWED_VARIABLES = frozenset(
    {
        "PATH",  # the programs of the system
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
# MLflow would use these instead of the token of the runner's tracking server.
_MLFLOW_CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


def allowed_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of a process's variables that a job may see: about the machine, nothing secret."""
    return {
        name: value
        for name, value in variables.items()
        if name in _ALLOWED_VARIABLES or name.startswith(_ALLOWED_PREFIX)
    }


def command_variables(
    runner_variables: Mapping[str, str], spec: RunSpec, tracking_variables: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of the command; those of the spec override the runner's, those of tracking override both."""
    variables = allowed_variables(runner_variables)
    variables["PYTHONUNBUFFERED"] = "1"  # so that the log can be read during the run
    variables["PATH"] = os.pathsep.join([*spec.path_entries, variables.get("PATH", os.defpath)])
    variables.update(spec.environment)
    variables.update(spec.variables)
    variables["AZUREML_RUN_ID"] = spec.run
    if "MLFLOW_TRACKING_TOKEN" in tracking_variables:
        for name in _MLFLOW_CREDENTIALS:
            variables.pop(name, None)
    variables.update(tracking_variables)
    variables.setdefault(
        "NO_PROXY", "127.0.0.1,localhost"
    )  # so that tracking calls do not go to a proxy that the job sets
    return variables
