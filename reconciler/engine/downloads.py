"""Inputs of jobs that are behind URIs, brought into the store before a run is submitted.

A URL is downloaded once, and stands for those bytes from then on. A path of a datastore stands for what is there now,
and one of a registered version for what was there when it was registered: if that has changed, the run fails.
``storage.web_file``, which needs a library for http, is loaded by name with the first download.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.config.config import Config
from reconciler.diagnostics import SET_OPTION, Diagnostic, Span, UserError, option_span, user_error
from reconciler.engine.action_context import ActionContext, resolved_asset_of
from reconciler.engine.locations import (
    allows_local,
    changed_error,
    datastores_of,
    is_changed,
    locate,
    not_a_file,
    timeout_seconds,
    web_files,
)
from reconciler.engine.remote_contents import bring
from reconciler.engine.transfer_locks import transfer_lock
from reconciler.format.pointers import find_value, split_pointer
from reconciler.format.yaml import parse_yaml
from reconciler.model import EMPTY_MAPPING, Action, Record, Reference
from reconciler.model.content import Content
from reconciler.model.datastores import Identity, Location, OpenDatastore
from reconciler.model.downloads import Download
from reconciler.model.object_store import ObjectStore
from reconciler.planning.data_places import Datastores
from reconciler.planning.uri_inputs import UriInput, find_uri_inputs
from reconciler.secrets.urls import mask_url_secrets
from reconciler.state.store import WriteBatch
from reconciler.storage.web_error import WebError
from reconciler.timestamps import utc_timestamp

_ATTEMPTS, _PAUSE_SECONDS = 3, 1.0
_FILE_TYPE = "uri_file"
_CHANGED = "input-changed"


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What brings the inputs of one action: its context, and the datastores of the workspace.

    Of a step, ``places`` are the pointers in the file of its pipeline, by pointer.
    """

    context: ActionContext
    action: Action
    places: Mapping[str, str]
    datastores: Datastores
    open_datastore: OpenDatastore

    @property
    def local_folder(self) -> Path:
        """The folder of this clone for what is known on this machine only."""
        return self.context.transaction.state_store.local_folder


def download_inputs(
    context: ActionContext, action: Action, places: Mapping[str, str] = EMPTY_MAPPING
) -> Mapping[str, Download]:
    """Return what the URIs in the inputs of a job stand for, by JSON pointer; what is needed for the first time comes.

    Raises UserError at the line of the input, ``download-failed`` of a URL and ``input-changed`` if a version is not
    what was registered; nothing of the file is stored then. Of a step, ``places`` are the pointers in the file of its
    pipeline, by pointer.
    """
    resolved = resolved_asset_of(action)

    def find_target(reference: Reference) -> Record | None:
        target = resolved.references.get(reference.pointer)
        if target is None:
            return None
        return context.state.find_version(target.address, target.version) or context.state.current.get(target.address)

    inputs = _Inputs(context, action, places, *datastores_of(context))
    uri_inputs = find_uri_inputs(resolved.asset, inputs.datastores, find_target)
    return _bring_inputs(inputs, [uri_input for uri_input in uri_inputs if uri_input.is_reachable])


def _bring_inputs(inputs: _Inputs, uri_inputs: Sequence[UriInput]) -> Mapping[str, Download]:
    """Bring inputs; once one has changed, nothing more is brought, and all that have changed are one error."""
    downloads: dict[str, Download] = {}
    for number, uri_input in enumerate(uri_inputs):
        try:
            downloads[uri_input.pointer] = _bring_input(inputs, uri_input)
        except UserError as error:
            if error.diagnostics[0].code != _CHANGED:
                raise
            others = uri_inputs[number + 1 :]
            raise UserError(*error.diagnostics, *_find_changed(inputs, others)) from error
    return downloads


def _find_changed(inputs: _Inputs, uri_inputs: Iterable[UriInput]) -> Iterator[Diagnostic]:
    """Yield what has changed of inputs that are pinned by what their service says; one that cannot be asked is left."""
    for uri_input in uri_inputs:
        if uri_input.pinned is None or uri_input.content is not None:
            continue
        with suppress(UserError, WebError):
            now = locate(uri_input.uri, inputs.datastores, inputs.open_datastore)
            if now is not None and is_changed(uri_input.pinned, now):
                error = _changed_error(inputs, uri_input, uri_input.pinned, now)
                yield from _at_input(inputs, uri_input, error).diagnostics


def _bring_input(inputs: _Inputs, uri_input: UriInput) -> Download:
    try:
        if uri_input.place is None:
            _check_pinned_url(inputs, uri_input)
            return _download_once(inputs, uri_input)
        return _bring_from_datastore(inputs, uri_input)
    except WebError as error:
        message, hint = mask_url_secrets(str(error)), mask_url_secrets(error.hint)
        raise UserError(Diagnostic("download-failed", message, _find_span(inputs, uri_input), hint)) from error
    except UserError as error:
        raise _at_input(inputs, uri_input, error) from error


def _check_pinned_url(inputs: _Inputs, uri_input: UriInput) -> None:
    """Raise UserError ``input-changed`` if a version is a URL, which is not what was registered.

    A server that does not answer is no reason to stop: what was downloaded from it is what the URL stands for.
    """
    if uri_input.pinned is not None:
        with suppress(WebError):
            now = locate(uri_input.uri, inputs.datastores, inputs.open_datastore)
            if now is not None and is_changed(uri_input.pinned, now):
                raise _changed_error(inputs, uri_input, uri_input.pinned, now)


def _changed_error(inputs: _Inputs, uri_input: UriInput, pinned: Location, now: Location) -> UserError:
    spec = resolved_asset_of(inputs.action).asset.spec
    written = str(find_value(spec, split_pointer(uri_input.pointer)))
    names_version = written.endswith(f":{uri_input.version.partition('@')[2]}")
    then = f", which the job then has to name in the place of {written}" if names_version else ""
    return changed_error(uri_input.version, uri_input.uri, pinned, now, then)


def _bring_from_datastore(inputs: _Inputs, uri_input: UriInput) -> Download:
    """Return what is at a path of a datastore now, which is what was registered of it if it is a version.

    What was pinned by its bytes may have them under another identity.
    """
    location = locate(uri_input.uri, inputs.datastores, inputs.open_datastore)
    if location is None:
        raise AssertionError(uri_input)
    if location.is_folder and uri_input.type == _FILE_TYPE:
        raise user_error("input-not-a-file", *not_a_file(uri_input.uri))
    pinned, own = uri_input.pinned, uri_input.content
    is_other = pinned is not None and is_changed(pinned, location)
    if pinned is not None and is_other and own is None:
        raise _changed_error(inputs, uri_input, pinned, location)
    store, report = inputs.context.providers.store, inputs.context.progress_reporter(inputs.action)
    content = bring(store, inputs.open_datastore(location.datastore), location, inputs.local_folder, report)
    if pinned is not None and own is not None and content.sha256 != own.sha256:
        raise _changed_error(inputs, uri_input, pinned, location)
    return _make_download(uri_input, content, location.identity)


def _make_download(uri_input: UriInput, content: Content, identity: Identity) -> Download:
    url = mask_url_secrets(uri_input.uri)
    return Download(url, content, identity.etag or identity.version, identity.modified, utc_timestamp())


def _download_once(inputs: _Inputs, uri_input: UriInput) -> Download:
    """Return what a URL stands for; it is downloaded if it never was, or if the store has lost it."""
    context = inputs.context
    source, report = hashlib.sha256(uri_input.uri.encode()).hexdigest(), context.progress_reporter(inputs.action)
    with transfer_lock(inputs.local_folder, source, report):
        pinned = context.state.find_download(uri_input.uri)
        if pinned is None:  # another apply may have downloaded it since this one began
            pinned = context.transaction.state_store.read().find_download(uri_input.uri)
        if pinned is not None and not context.providers.store.verify(pinned.content):
            return pinned
        download = _download(inputs, uri_input)
        if pinned is not None:
            _check_unchanged(uri_input, download, pinned)
        if pinned is None:
            context.transaction.write_now(WriteBatch(downloads={uri_input.uri: download}), inputs.action)
        return pinned or download


def _download(inputs: _Inputs, uri_input: UriInput) -> Download:
    """Store the file behind a URL, and try again if the connection breaks."""
    report_progress = inputs.context.progress_reporter(inputs.action)
    for attempt in range(1, _ATTEMPTS + 1):
        again = f", attempt {attempt} of {_ATTEMPTS}" if attempt > 1 else ""
        report_progress(f"downloading {mask_url_secrets(uri_input.source)}{again}")
        try:
            providers = inputs.context.providers
            return store_web_file(providers.config, providers.store, uri_input.uri, uri_input.source)
        except WebError as error:
            if not error.is_interrupted or attempt == _ATTEMPTS:
                raise
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError


def store_web_file(config: Config, store: ObjectStore, uri: str, source: str) -> Download:
    """Store the file behind a URL once; raises WebError."""
    is_allowed = allows_local(uri, source, config)
    with web_files().open_web_file(source, timeout_seconds(), allows_local=is_allowed) as file:
        content = store.put_file(file.name, file.stream)
        return Download(mask_url_secrets(uri), content, file.etag, file.modified, utc_timestamp())


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


def _at_input(inputs: _Inputs, uri_input: UriInput, error: UserError) -> UserError:
    """Return an error at the line of the input, if it has no line of its own."""
    span = _find_span(inputs, uri_input)
    return UserError(*(item if item.span else item._replace(span=span) for item in error.diagnostics))


def _find_span(inputs: _Inputs, uri_input: UriInput) -> Span:
    """Return the line of the job's input, or the option that gave another value."""
    tree, asset = inputs.context.tree, resolved_asset_of(inputs.action).asset
    document, _ = parse_yaml(tree.display_path(asset.source), tree.read_file(asset.source))
    keys = split_pointer(uri_input.pointer)
    place = _find_place(inputs.places, uri_input.pointer)
    is_as_written = place or find_value(document.data, keys) == find_value(asset.spec, keys)
    option = option_span(f"{SET_OPTION} {'.'.join(keys)}")
    return document.value_span(place or uri_input.pointer) if is_as_written else option


def _find_place(places: Mapping[str, str], pointer: str) -> str:
    """Return where the file of a pipeline says what is at a pointer of a step, "" for a job that is no step."""
    prefix = pointer
    while prefix and prefix not in places:
        prefix = prefix.rpartition("/")[0]
    return places[prefix] + pointer[len(prefix) :] if prefix in places else ""
