"""What is recorded of the remote data of a version when it is registered: where it is, and how it is pinned."""

from __future__ import annotations

from reconciler.diagnostics import Diagnostic, Span, UserError, user_error
from reconciler.engine.action_context import ActionContext, resolved_asset_of
from reconciler.engine.downloads import store_web_file
from reconciler.engine.locations import datastores_of, locate, not_a_file
from reconciler.engine.remote_contents import bring
from reconciler.format.assets import kind_of
from reconciler.format.mirrors import find_mirror
from reconciler.format.output_assets import place_in_file
from reconciler.format.yaml import parse_yaml
from reconciler.model import Action, Asset
from reconciler.model.content import Content
from reconciler.model.datastores import Location
from reconciler.planning.uri_inputs import is_web_folder, location_uri
from reconciler.secrets.urls import mask_url_secrets
from reconciler.storage.web_error import WebError

_PATH, _FILE_TYPE = "/path", "uri_file"


def register_location(context: ActionContext, action: Action) -> tuple[Location | None, Content | None]:
    """Return where the data of a version is, and its bytes if ``verify: full`` asks for them; None for each without.

    A model is always stored, so that it stays what was registered.

    A URI that mlgit cannot read has no location: the version is not pinned. Nor is a folder behind a URL, nor one whose
    server does not answer, which is said: what comes from it first is what it stands for. Raises UserError at the line
    of the path, ``download-failed`` of a URL, and that of the datastore.
    """
    asset = resolved_asset_of(action).asset
    uri = location_uri(asset)
    if not uri:
        return None, None
    try:
        return _register(context, action, asset, uri)
    except WebError as error:
        message, hint = mask_url_secrets(str(error)), mask_url_secrets(error.hint)
        if error.is_unreachable and not _is_stored(context, asset):
            context.progress_reporter(action)(f"not pinned: {message}")
            return None, None
        raise UserError(Diagnostic("download-failed", message, path_span(context, asset), hint)) from error
    except UserError as error:
        raise at_path(context, asset, error) from error


def _register(context: ActionContext, action: Action, asset: Asset, uri: str) -> tuple[Location | None, Content | None]:
    datastores, open_datastore = datastores_of(context)
    is_listed = not is_web_folder(asset, uri, datastores)  # else what is at its URL is a page, or nothing
    location = locate(uri, datastores, open_datastore) if is_listed else None
    if location is None:
        return None, None
    if location.is_folder and asset.spec.get("type") == _FILE_TYPE:
        raise user_error("input-not-a-file", *not_a_file(uri))
    config, report_progress = context.providers.config, context.progress_reporter(action)
    if not _is_stored(context, asset):
        return location, None
    if location.datastore:
        datastore = open_datastore(location.datastore)
        local_folder = context.transaction.state_store.local_folder
        return location, bring(context.providers.store, datastore, location, local_folder, report_progress)
    source = find_mirror(config.mirrors, uri).url or uri
    report_progress(f"downloading {mask_url_secrets(source)}")
    return location, store_web_file(config, context.providers.store, uri, source).content


def _is_stored(context: ActionContext, asset: Asset) -> bool:
    """Return True if the bytes of a version are brought into the store when it is registered."""
    return kind_of(asset).is_model or context.providers.config.is_fully_verified(asset.address)


def at_path(context: ActionContext, asset: Asset, error: UserError) -> UserError:
    """Return an error at the line of the path of an asset, if it has no line of its own."""
    span = path_span(context, asset)
    return UserError(*(item if item.span else item._replace(span=span) for item in error.diagnostics))


def path_span(context: ActionContext, asset: Asset) -> Span:
    """Return the line of the path of an asset, also of one that is registered from the output of a job."""
    tree = context.tree
    document, _ = parse_yaml(tree.display_path(asset.source), tree.read_file(asset.source))
    return document.value_span(place_in_file(asset, _PATH))
