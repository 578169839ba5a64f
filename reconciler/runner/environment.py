"""The variables that the command sees: a short allow-list, then what the spec says. Nothing leaks in by default."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .spec import RunSpec

# Each is about the machine, never about a person's secrets. Proxy variables stay out: they often hold passwords.
_ALLOWED_VARIABLES = frozenset(
    {
        "PATH",  # the system's own programs
        "LD_LIBRARY_PATH",  # drivers that a cluster puts elsewhere
        "HOME",  # where libraries keep their caches
        "USER",  # libraries ask who they are
        "LOGNAME",  # the same, in older ones
        "LANG",  # the encoding of the log
        "LANGUAGE",  # the language of messages
        "TZ",  # the clock
        "TMPDIR",  # a disk that is large enough
        "SSL_CERT_FILE",  # trust in a company's own certificates
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "CUDA_VISIBLE_DEVICES",  # the accelerators that the scheduler gave to this run
        "ROCR_VISIBLE_DEVICES",
        "OMP_NUM_THREADS",  # and its share of the processor
    }
)
_ALLOWED_PREFIX = "LC_"
# These would take precedence over the token of the runner's own tracking server.
_MLFLOW_CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


def allowed_variables(own: Mapping[str, str]) -> dict[str, str]:
    """Return what of a process's own environment may be passed on: what is about the machine, nothing secret."""
    return {
        name: value for name, value in own.items() if name in _ALLOWED_VARIABLES or name.startswith(_ALLOWED_PREFIX)
    }


def command_variables(own: Mapping[str, str], spec: RunSpec, tracking: Mapping[str, str]) -> dict[str, str]:
    """Make the command's environment; where two say the same name, the later of own, spec, runner wins."""
    variables = allowed_variables(own)
    variables["PYTHONUNBUFFERED"] = "1"  # a log that is read while the run goes on
    variables["PATH"] = os.pathsep.join([*spec.path_entries, variables.get("PATH", os.defpath)])
    variables.update(spec.environment)
    variables.update(spec.variables)
    variables["AZUREML_RUN_ID"] = spec.run
    if "MLFLOW_TRACKING_TOKEN" in tracking:
        for name in _MLFLOW_CREDENTIALS:
            variables.pop(name, None)
    variables.update(tracking)
    variables.setdefault("NO_PROXY", "127.0.0.1,localhost")  # a job's own proxy must not catch the tracking calls
    return variables
