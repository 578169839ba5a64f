"""Downloads of inputs: a URL is downloaded into the store once, and stands for those bytes from then on.

``storage.web_file``, which needs a library for http, is loaded by name with the first download.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Mapping

from reconciler.diagnostics import SET_OPTION, Diagnostic, UserError, option_span
from reconciler.engine.action_context import ActionContext, resolved_asset_of
from reconciler.format.pointers import find_value, split_pointer
from reconciler.format.yaml import parse_yaml
from reconciler.model import EMPTY_MAPPING, Action, Record, Reference
from reconciler.model.downloads import Download
from reconciler.planning.uri_inputs import UriInput, find_uri_inputs
from reconciler.secrets.urls import mask_url_secrets
from reconciler.state.store import WriteBatch
from reconciler.storage.web_error import WebError
from reconciler.timestamps import utc_timestamp

_ATTEMPTS, _PAUSE_SECONDS = 3, 1.0
_TIMEOUT_VARIABLE, _TIMEOUT_SECONDS = "MLGIT_NETWORK_TIMEOUT", 60.0
_LOCKS: dict[str, threading.Lock] = {}  # by URL: of the actions that need one, the first downloads it


def download_inputs(
    context: ActionContext, action: Action, places: Mapping[str, str] = EMPTY_MAPPING
) -> Mapping[str, Download]:
    """Return what the URLs in the inputs of a job stand for, by JSON pointer; what is needed for the first time comes.

    Raises UserError ``download-failed`` at the line of the input; nothing of the file is stored then. Of a step,
    ``places`` are the pointers in the file of its pipeline, by pointer.
    """
    resolved = resolved_asset_of(action)

    def find_target(reference: Reference) -> Record | None:
        target = resolved.references.get(reference.pointer)
        if target is None:
            return None
        return context.state.find_version(target.address, target.version) or context.state.current.get(target.address)

    uri_inputs = find_uri_inputs(resolved.asset, context.providers.config, find_target)
    return {
        uri_input.pointer: _download_once(context, action, uri_input, places)
        for uri_input in uri_inputs
        if uri_input.is_downloadable
    }


def _download_once(context: ActionContext, action: Action, uri_input: UriInput, places: Mapping[str, str]) -> Download:
    """Return what a URL stands for; it is downloaded if it never was, or if the store has lost it."""
    with _LOCKS.setdefault(uri_input.uri, threading.Lock()):
        pinned = context.state.find_download(uri_input.uri)
        if pinned is not None and not context.providers.store.verify(pinned.content):
            return pinned
        try:
            download = _download(context, action, uri_input)
            if pinned is not None:
                _check_unchanged(uri_input, download, pinned)
        except WebError as error:
            raise _failure(context, action, uri_input, places, error) from error
        if pinned is None:
            context.transaction.write_now(WriteBatch(downloads={uri_input.uri: download}), action)
        return pinned or download


def _download(context: ActionContext, action: Action, uri_input: UriInput) -> Download:
    """Store the file behind a URL, and try again if the connection breaks."""
    report_progress = context.progress_reporter(action)
    for attempt in range(1, _ATTEMPTS + 1):
        again = f", attempt {attempt} of {_ATTEMPTS}" if attempt > 1 else ""
        report_progress(f"downloading {mask_url_secrets(uri_input.source)}{again}")
        try:
            return _store_file(context, uri_input)
        except WebError as error:
            if not error.is_interrupted or attempt == _ATTEMPTS:
                raise
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError


def _store_file(context: ActionContext, uri_input: UriInput) -> Download:
    web_file = importlib.import_module("reconciler.storage.web_file")
    with web_file.open_web_file(uri_input.source, _timeout_seconds()) as file:
        content = context.providers.store.put_file(file.name, file.stream)
        return Download(mask_url_secrets(uri_input.uri), content, file.etag, file.modified, utc_timestamp())


def _timeout_seconds() -> float:
    """Return after how long without a byte a server counts as gone, as the environment sets it."""
    text = os.environ.get(_TIMEOUT_VARIABLE, "")
    seconds = float(text) if text.replace(".", "", 1).isdecimal() else 0.0
    return seconds or _TIMEOUT_SECONDS


def _check_unchanged(uri_input: UriInput, download: Download, pinned: Download) -> None:
    """Raise WebError if a URL has other bytes than those that it stands for, which the store has lost."""
    if download.content.sha256 != pinned.content.sha256:
        message = (
            f"{uri_input.source} has changed since it was downloaded at {pinned.downloaded_at}, "
            "and the store no longer has what it was"
        )
        raise WebError(
            message, "make the store available again as it was, or write the URL with #2 to use what it is now"
        )


def _failure(
    context: ActionContext, action: Action, uri_input: UriInput, places: Mapping[str, str], error: WebError
) -> UserError:
    """Return the error of a download, at the line of the job's input or at the option that gave another value."""
    asset = resolved_asset_of(action).asset
    document, _ = parse_yaml(context.tree.display_path(asset.source), context.tree.read_file(asset.source))
    message, hint = mask_url_secrets(str(error)), mask_url_secrets(error.hint)
    keys = split_pointer(uri_input.pointer)
    place = _find_place(places, uri_input.pointer)
    is_as_written = place or find_value(document.data, keys) == find_value(asset.spec, keys)
    option = option_span(f"{SET_OPTION} {'.'.join(keys)}")
    span = document.value_span(place or uri_input.pointer) if is_as_written else option
    return UserError(Diagnostic("download-failed", message, span, hint))


def _find_place(places: Mapping[str, str], pointer: str) -> str:
    """Return where the file of a pipeline says what is at a pointer of a step, "" for a job that is no step."""
    prefix = pointer
    while prefix and prefix not in places:
        prefix = prefix.rpartition("/")[0]
    return places[prefix] + pointer[len(prefix) :] if prefix in places else ""
