"""The API of a Ray cluster, as its dashboard serves it: jobs by their submission ids, and what its nodes have.

https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from errno import EINVAL, EMSGSIZE, ETIMEDOUT
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Never
from urllib.parse import quote, urlsplit

from reconciler.diagnostics import Diagnostic, UserError, user_error
from reconciler.storage.connection_guard import ConnectionGuard

_SECONDS = 30
_REDIRECT, _ERROR, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 300, 400, 401, 403, 404
_EXISTS = "already exists"
_MAX_NODES = 10000
_FEW_JOBS = 8  # of which each one is asked for
_MAX_SIZE, _PART_SIZE = 1 << 28, 1 << 16  # a job of a list has up to 20 kB of its log
_WHOLE_ANSWER = 4  # times as long as for the next byte of it
_MAX_WORDS = 300
_HINT = "address: of the backend is that of the Ray dashboard, http://HEAD:8265 by default"


class RayError(Exception):
    """The cluster refuses a request; its text is what it says."""


class RayTokenError(UserError):
    """The cluster answers, and wants another token; its diagnostic is ``backend-unreachable``."""


class RayApi:
    """The API at an address; ``token`` is that of a cluster with token authentication, "" for none.

    Ray has so many seconds for the start of an answer; ``hint`` is what to do if there is none. No proxy is asked, as
    those of the environment lead out of the network that a cluster is in, and no redirect followed, which would take
    the token to another host.
    """

    def __init__(self, address: str, token: str = "", seconds: float = _SECONDS, hint: str = _HINT) -> None:
        self._address, self._token, self._seconds, self._hint = address.rstrip("/"), token, seconds, hint
        if not (token.isascii() and token.isprintable() and " " not in token):
            message = "the token of Ray has a character that no token has, such as a space or the end of a line"
            raise user_error("backend-unreachable", message, "correct the secret with fields: [/token]")

    def submit_job(self, job: Mapping[str, Any]) -> None:
        """Submit a job, unless there is one with its id; raises RayError, or UserError ``backend-unreachable``."""
        try:
            self._ask("POST", "/api/jobs/", job)
        except _NotFoundError as error:
            raise self._no_dashboard(str(error)) from error
        except RayError as error:
            if _EXISTS not in str(error):
                raise

    def find_jobs(self, submission_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Return those of some jobs that there are, by their ids; raises UserError ``backend-unreachable``.

        Ray lists all jobs that it ever had, which takes it most of a millisecond for each: a few are asked for one by
        one.
        """
        if len(submission_ids) > _FEW_JOBS:
            jobs: Mapping[str, Mapping[str, Any] | None] = self.list_jobs()
        else:
            jobs = {submission_id: self.find_job(submission_id) for submission_id in submission_ids}
        return {one: job for one in submission_ids if (job := jobs.get(one)) is not None}

    def find_job(self, submission_id: str) -> Mapping[str, Any] | None:
        """Return the job with an id, None if there is none; raises UserError ``backend-unreachable``."""
        try:
            job = self._ask("GET", f"/api/jobs/{quote(submission_id, safe='', errors='replace')}")
        except _NotFoundError:
            self._check_version()
            return None
        except RayError as error:
            raise self._failed(error) from error
        if not isinstance(job, dict):
            raise self._no_dashboard("it has no such job")
        return job

    def list_jobs(self) -> dict[str, Mapping[str, Any]]:
        """Return all jobs that were submitted, by their ids; raises UserError ``backend-unreachable``."""
        try:
            jobs = self._ask("GET", "/api/jobs/")
        except _NotFoundError as error:
            raise self._no_dashboard(str(error)) from error
        except RayError as error:
            raise self._failed(error) from error
        if not isinstance(jobs, list):
            raise self._no_dashboard("it has no list of jobs")
        return {str(job["submission_id"]): job for job in jobs if isinstance(job, dict) and job.get("submission_id")}

    def stop_job(self, submission_id: str) -> bool:
        """Ask a job to stop; return False if there is none, or it has ended. Raises ``backend-unreachable``."""
        try:
            answer = self._ask("POST", f"/api/jobs/{submission_id}/stop", {})
        except RayError:  # it has ended meanwhile: `poll` tells
            return False
        return isinstance(answer, dict) and bool(answer.get("stopped"))

    def list_nodes(self) -> tuple[Mapping[str, float], ...]:
        """Return the resources of the nodes that are alive: ``CPU``, ``GPU``, ``memory`` in bytes, and others."""
        try:
            data = self._ask("GET", f"/api/v0/nodes?detail=1&limit={_MAX_NODES}")["data"]["result"]["result"]
            return tuple(_numbers_of(node["resources_total"]) for node in data if node["state"] == "ALIVE")
        except (
            RayError,
            KeyError,
            TypeError,
            AttributeError,
        ):  # another release: it only helps to refuse what never fits
            return ()

    def usage(self) -> Mapping[str, tuple[float, float]]:
        """Return how much of a resource is in use and how much there is, by its name."""
        try:
            report = self._ask("GET", "/api/cluster_status")["data"]["clusterStatus"]["loadMetricsReport"]["usage"]
            rows = {name: (float(used), float(total)) for name, (used, total) in report.items()}
        except (RayError, KeyError, TypeError, ValueError, AttributeError, OverflowError):  # the same
            return {}
        return {name: row for name, row in rows.items() if all(map(math.isfinite, row))}

    def _check_version(self) -> None:
        """Raise UserError ``backend-unreachable`` if the address is that of something else."""
        try:
            version = self._ask("GET", "/api/version")
        except RayError as error:
            raise self._no_dashboard(str(error)) from error
        if not isinstance(version, dict) or "ray_version" not in version:
            raise self._no_dashboard("it does not say which version of Ray it is")

    def _ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> Any:
        """Return the answer to a request; raises RayError, or UserError ``backend-unreachable``."""
        data = None if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            status, body = self._send(method, path, data, headers)
            if status >= _REDIRECT:
                self._raise_answer(status, body.decode("utf-8", "replace"))
            return json.loads(body)
        except (
            HTTPException,
            OSError,
            OverflowError,
        ) as error:  # a certificate that is not accepted is a ValueError too
            text = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise user_error(
                "backend-unreachable", f"Ray at {self._address} does not answer: {text}", self._hint
            ) from error
        except (ValueError, RecursionError) as error:
            raise self._no_dashboard("it does not answer with JSON") from error

    def _send(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Return the status and the body of an answer; raises OSError if it takes too long as a whole."""
        with (
            closing(self._connect()) as connection,
            closing(ConnectionGuard(_WHOLE_ANSWER * self._seconds)) as guard,
        ):
            guard.watch(connection.sock)
            try:
                connection.request(method, f"{urlsplit(self._address).path}{path}", data, headers)
                with connection.getresponse() as answer:
                    return answer.status, self._read_body(answer)
            finally:
                if guard.pause():
                    raise TimeoutError(ETIMEDOUT, "its answer does not end")

    def _connect(self) -> HTTPConnection:
        parts = urlsplit(self._address)
        try:
            port = parts.port
        except ValueError as error:
            raise OSError(EINVAL, str(error)) from error
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", port, timeout=self._seconds)
        connection.connect()
        return connection

    def _read_body(self, answer: Any) -> bytes:
        """Return the body of an answer; raises OSError if it is longer than any of Ray."""
        body = bytearray()
        while part := answer.read1(_PART_SIZE):
            body += part
            if len(body) > _MAX_SIZE:
                raise OSError(EMSGSIZE, "its answer does not end")
        return bytes(body)

    def _raise_answer(self, status: int, text: str) -> Never:
        if status == _UNAUTHORIZED:
            message = f"Ray at {self._address} wants a token, and none is bound to the backend"
            hint = "bind one: secrets: {NAME: {from: ..., for: [backend/NAME], fields: [/token]}}"
            raise RayTokenError(Diagnostic("backend-unreachable", message, hint=hint))
        if status == _FORBIDDEN:
            message = f"Ray at {self._address} does not accept the token"
            hint = "correct the secret with fields: [/token]"
            raise RayTokenError(Diagnostic("backend-unreachable", message, hint=hint))
        if status == _NOT_FOUND or status < _ERROR:  # a redirect leads elsewhere
            raise _NotFoundError(f"it answers with HTTP {status}")
        if text.lstrip().startswith("<"):
            raise self._no_dashboard(f"it answers with HTTP {status} and a web page")
        raise RayError(_last_line(text) or f"it answers with HTTP {status}")

    def _failed(self, error: RayError) -> UserError:
        message = f"Ray at {self._address} fails: {error}"
        return user_error("backend-unreachable", message, "see the log of its dashboard")

    def _no_dashboard(self, cause: str) -> UserError:
        return user_error("backend-unreachable", f"{self._address} is no Ray dashboard: {cause}", self._hint)


class _NotFoundError(RayError):
    pass


def _last_line(text: str) -> str:
    """Return what an answer says, which may be a traceback: its last line with words."""
    lines = [line.strip() for line in text.splitlines() if any(map(str.isalnum, line))]
    return (lines[-1].partition("Error: ")[2] or lines[-1])[:_MAX_WORDS] if lines else ""


def _numbers_of(resources: Mapping[str, Any]) -> dict[str, float]:
    """Return those resources of a node of which Ray says a number."""
    return {
        name: value
        for name, value in resources.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def find_largest(nodes: Iterable[Mapping[str, float]], name: str) -> float:
    """Return the most of a resource that one node has."""
    return max((float(node.get(name, 0)) for node in nodes), default=0.0)
