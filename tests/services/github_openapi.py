"""GitHub's published OpenAPI description as the judge of requests, by openapi-core.

``github-openapi.json`` is the description of the npm package @octokit/openapi, cut to OPERATIONS and what they refer
to; nothing in it is written by hand: `make github-openapi` makes it again. openapi-core judges a request in this
process in a millisecond, where prism takes 20 s to start; both let pass queries and fields that GitHub does not know,
which are errors here.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote

VERSION = "23.0.2"  # of @octokit/openapi
DESCRIPTION = Path(__file__).parent / "github-openapi.json"
SERVER = "https://api.github.com"
_REPO = "/repos/{owner}/{repo}"
OPERATIONS = (
    ("get", "/user"),
    ("get", _REPO),
    ("get", f"{_REPO}/actions/artifacts/{{artifact_id}}/{{archive_format}}"),
    ("get", f"{_REPO}/actions/runs"),
    ("get", f"{_REPO}/actions/runs/{{run_id}}"),
    ("get", f"{_REPO}/actions/runs/{{run_id}}/artifacts"),
    ("get", f"{_REPO}/commits/{{commit_sha}}/pulls"),
    ("get", f"{_REPO}/commits/{{ref}}"),
    ("get", f"{_REPO}/compare/{{basehead}}"),
    ("post", f"{_REPO}/git/commits"),
    ("get", f"{_REPO}/git/commits/{{commit_sha}}"),
    ("post", f"{_REPO}/git/refs"),
    ("get", f"{_REPO}/git/ref/{{ref}}"),
    ("patch", f"{_REPO}/git/refs/{{ref}}"),
    ("delete", f"{_REPO}/git/refs/{{ref}}"),
    ("post", f"{_REPO}/git/trees"),
    ("get", f"{_REPO}/issues"),
    ("post", f"{_REPO}/issues"),
    ("get", f"{_REPO}/issues/comments/{{comment_id}}"),
    ("patch", f"{_REPO}/issues/comments/{{comment_id}}"),
    ("delete", f"{_REPO}/issues/comments/{{comment_id}}"),
    ("get", f"{_REPO}/issues/{{issue_number}}"),
    ("patch", f"{_REPO}/issues/{{issue_number}}"),
    ("get", f"{_REPO}/issues/{{issue_number}}/comments"),
    ("post", f"{_REPO}/issues/{{issue_number}}/comments"),
    ("get", f"{_REPO}/pulls"),
    ("post", f"{_REPO}/pulls"),
    ("get", f"{_REPO}/pulls/{{pull_number}}"),
    ("patch", f"{_REPO}/pulls/{{pull_number}}"),
    ("get", f"{_REPO}/pulls/{{pull_number}}/files"),
    ("get", f"{_REPO}/pulls/{{pull_number}}/reviews"),
)


def is_judge_installed() -> bool:
    """Return True if openapi-core is installed."""
    return importlib.util.find_spec("openapi_core") is not None


@cache
def description() -> Any:
    return json.loads(DESCRIPTION.read_text("utf-8"))


@cache
def _api() -> Any:
    core = importlib.import_module("openapi_core")
    return core.OpenAPI.from_dict(description(), config=core.Config(spec_validator_cls=None))


def violation(method: str, path: str, query: str, body: bytes) -> str:
    """Return what GitHub's description says against a request, "" for nothing. The path has one segment a parameter."""
    arguments = parse_qs(query, keep_blank_values=True)
    make_request = importlib.import_module("openapi_core.testing").MockRequest
    request = make_request(SERVER, method, path, args=arguments, data=body or None, content_type="application/json")
    try:
        _api().validate_request(request)
    except importlib.import_module("openapi_core.exceptions").OpenAPIError as error:
        cause = error.__cause__
        return "; ".join(
            [str(error), *filter(None, [cause and str(cause)]), *map(str, getattr(cause, "schema_errors", ()))]
        )
    template = match_template(method, path)
    assert template
    operation = description()["paths"][template][method]
    known = {_resolve(parameter)["name"] for parameter in operation.get("parameters", ())}
    unknown = [name for name, _ in parse_qsl(query) if name not in known]
    fields = _fields(_resolve(_body_schema(operation)))
    if body and fields:
        unknown += [name for name in json.loads(body) if name not in fields]
    return f"{method} {template} has no {', '.join(unknown)}" if unknown else ""


def match_template(method: str, path: str) -> str:
    """Return the path of the operation that a request means, "" if there is none."""
    found = [
        template
        for known, template in OPERATIONS
        if known == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    return min(found, key=lambda template: template.count("{"), default="")


def judged_path(path: str) -> str:
    """Return a path whose last parameter has slashes, such as a branch, with that as one segment."""
    head, found, rest = re.match(r"(.*?)(/git/refs?/|/compare/|/contents/|$)(.*)", path).groups()  # type: ignore[union-attr]
    return head + found + (quote(rest, safe="%") if found else "")


def example(method: str, template: str, status: int, repository_url: str) -> Any:
    """Return the example that GitHub gives for an answer, {} for none, with the address of another repository in it."""
    answer = _resolve(description()["paths"][template][method]["responses"].get(str(status), {}))
    examples = answer.get("content", {}).get("application/json", {}).get("examples", {})
    text = json.dumps(next((_resolve(one)["value"] for one in examples.values()), {}))
    return json.loads(re.sub(r"https://api\.github\.com/repos/\w+/[\w-]+", lambda _: repository_url, text))


def _resolve(node: Any) -> Any:
    while "$ref" in node:
        _, _, kind, name = node["$ref"].split("/")
        node = description()["components"][kind][name]
    return node


def _body_schema(operation: Mapping[str, Any]) -> Any:
    body = _resolve(operation.get("requestBody", {}))
    return body.get("content", {}).get("application/json", {}).get("schema", {})


def _fields(schema: Mapping[str, Any]) -> set[str]:
    parts = [schema, *map(_resolve, (*schema.get("oneOf", ()), *schema.get("anyOf", ())))]
    return {name for part in parts for name in part.get("properties", ())}


def cut(published: Any) -> Any:
    """Return the part of a description that OPERATIONS need, with the examples of answers that are no errors."""
    paths: dict[str, Any] = {}
    for method, template in OPERATIONS:
        operation = published["paths"][template][method]
        kept = {name: operation[name] for name in ("operationId", "parameters", "requestBody") if name in operation}
        answers = {status: answer for status, answer in operation["responses"].items() if status < "400"}
        paths.setdefault(template, {})[method] = {**kept, "responses": answers}
    components: dict[str, Any] = {}
    waiting = [*_references(paths)]
    while waiting:
        _, _, kind, name = waiting.pop().split("/")
        if name not in components.setdefault(kind, {}):
            components[kind][name] = published["components"][kind][name]
            waiting += _references(components[kind][name])
    return {name: published[name] for name in ("openapi", "info", "servers")} | {
        "paths": paths,
        "components": {kind: dict(sorted(members.items())) for kind, members in sorted(components.items())},
    }


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        yield from (reference for child in node.values() for reference in _references(child))
    elif isinstance(node, list):
        yield from (reference for child in node for reference in _references(child))


if __name__ == "__main__":
    with Path(sys.argv[1]).open("rb") as published_file:
        cut_text = json.dumps(cut(json.load(published_file)), indent=0, separators=(",", ":"), ensure_ascii=True)
    DESCRIPTION.write_text(f"{cut_text}\n", "utf-8")
