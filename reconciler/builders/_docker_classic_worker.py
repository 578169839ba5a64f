"""A process of its own that builds one image by the API of an engine, without BuildKit: it can be ended.

It is started by its path, imports nothing of mlgit, and is given the name of a file with its request as JSON:
``{"context": a tar archive, "dockerfile": its path in it, "tag": ..., "labels": ...}``. The log of the build is its
output; it exits with 1 if the build failed, and the last line says why.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from http.client import HTTPException
from pathlib import Path

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


def main(arguments: list[str]) -> int:
    """Build what a request says; the engine ends a build whose client has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    request = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        client = docker.DockerClient.from_env(environment=dict(os.environ))
        with Path(request["context"]).open("rb") as context:
            events = client.api.build(
                fileobj=context,
                custom_context=True,
                dockerfile=request["dockerfile"],
                tag=request["tag"],
                labels=request["labels"],
                rm=True,
                forcerm=True,
                decode=True,
            )
            for event in events:
                _write(str(event.get("stream") or ""))
                if error := event.get("error"):
                    _write(f"\n{error}\n")
                    return 1
    except (DockerException, RequestException) as error:
        _write(f"\n{error}\n")
        return 1
    except (HTTPError, HTTPException, OSError, ValueError) as error:  # its answer has ended in the middle
        _write(f"\nerror reading from server: {error}\n")
        return 1
    return 0


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
