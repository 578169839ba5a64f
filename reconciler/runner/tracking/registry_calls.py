"""The calls of the MLflow REST API to the model registry, each a method, and their routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .arguments import JsonObject, paginate_rows, parse_tags, require_text
from .models import LoggedModels
from .registered import RegisteredModels, set_document_tag, update_document
from .routes import compile_routes, find_route
from .search import filter_and_sort, read_registered_field

_LOGGED_MODEL_PREFIX = "models:/m-"


class RegistryApi:
    """Handles the calls to the registry; `TrackingApi` calls it for one call at a time."""

    def __init__(self, registered: RegisteredModels, models: LoggedModels) -> None:
        self._registered = registered
        self._models = models

    def handle_call(self, method: str, path: str, body: JsonObject) -> JsonObject | None:
        """Return the response of a call; None if there is no such call."""
        route = find_route(_ROUTES, method, path)
        return route[0](self, body) if route else None

    # -- registered models

    def create_model(self, body: JsonObject) -> JsonObject:
        name, description = require_text(body, "name"), str(body.get("description") or "")
        return {"registered_model": self._registered.create(name, description, parse_tags(body))}

    def get_model(self, body: JsonObject) -> JsonObject:
        return {"registered_model": self._registered.get(require_text(body, "name"))}

    def update_model(self, body: JsonObject) -> JsonObject:
        return {"registered_model": update_document(self._registered.get_stored(require_text(body, "name")), body)}

    def search_models(self, body: JsonObject) -> JsonObject:
        return _search("registered_models", self._registered.list_models(), body)

    def get_latest_versions(self, body: JsonObject) -> JsonObject:
        return {"model_versions": self._registered.get(require_text(body, "name"))["latest_versions"]}

    def set_model_tag(self, body: JsonObject) -> JsonObject:
        document = self._registered.get_stored(require_text(body, "name"))
        set_document_tag(document, require_text(body, "key"), str(body.get("value", "")))
        return {}

    def delete_model_tag(self, body: JsonObject) -> JsonObject:
        set_document_tag(self._registered.get_stored(require_text(body, "name")), require_text(body, "key"), None)
        return {}

    def set_alias(self, body: JsonObject) -> JsonObject:
        name, alias, version = (require_text(body, key) for key in ("name", "alias", "version"))
        self._registered.set_alias(name, alias, version)
        return {}

    def delete_alias(self, body: JsonObject) -> JsonObject:
        self._registered.delete_alias(require_text(body, "name"), require_text(body, "alias"))
        return {}

    def get_aliased_version(self, body: JsonObject) -> JsonObject:
        name, alias = require_text(body, "name"), require_text(body, "alias")
        return {"model_version": self._registered.get_aliased_version(name, alias)}

    # -- versions of them

    def create_version(self, body: JsonObject) -> JsonObject:
        name, source = require_text(body, "name"), require_text(body, "source")
        return {"model_version": self._registered.create_version(name, source, body, parse_tags(body))}

    def get_version(self, body: JsonObject) -> JsonObject:
        return {"model_version": self._find_version(body)}

    def update_version(self, body: JsonObject) -> JsonObject:
        return {"model_version": update_document(self._find_version(body), body)}

    def search_versions(self, body: JsonObject) -> JsonObject:
        return _search("model_versions", self._registered.list_versions(), body)

    def set_stage(self, body: JsonObject) -> JsonObject:
        document = self._find_version(body)
        document["current_stage"] = require_text(body, "stage")
        return {"model_version": document}

    def set_version_tag(self, body: JsonObject) -> JsonObject:
        set_document_tag(self._find_version(body), require_text(body, "key"), str(body.get("value", "")))
        return {}

    def delete_version_tag(self, body: JsonObject) -> JsonObject:
        set_document_tag(self._find_version(body), require_text(body, "key"), None)
        return {}

    def get_download_uri(self, body: JsonObject) -> JsonObject:
        source: str = self._find_version(body)["source"]
        if source.startswith(_LOGGED_MODEL_PREFIX):
            source = self._models.get(source.removeprefix("models:/"))["info"]["artifact_uri"]
        return {"artifact_uri": source}

    def _find_version(self, body: JsonObject) -> JsonObject:
        return self._registered.get_version(require_text(body, "name"), require_text(body, "version"))


def _search(name: str, documents: list[JsonObject], body: JsonObject) -> JsonObject:
    """Return the page of a search; a client sends the orders of a GET as one value."""
    orders: Any = body.get("order_by") or []
    orders = [orders] if isinstance(orders, str) else [str(order) for order in orders]
    return paginate_rows(
        name, filter_and_sort(documents, str(body.get("filter") or ""), orders, read_registered_field), body
    )


_Handler = Callable[[RegistryApi, JsonObject], JsonObject]
_HANDLERS: dict[str, _Handler] = {
    "POST registered-models/create": RegistryApi.create_model,
    "GET registered-models/get": RegistryApi.get_model,
    "PATCH registered-models/update": RegistryApi.update_model,
    "GET registered-models/search": RegistryApi.search_models,
    "GET registered-models/get-latest-versions": RegistryApi.get_latest_versions,
    "POST registered-models/get-latest-versions": RegistryApi.get_latest_versions,
    "POST registered-models/set-tag": RegistryApi.set_model_tag,
    "DELETE registered-models/delete-tag": RegistryApi.delete_model_tag,
    "POST registered-models/alias": RegistryApi.set_alias,
    "GET registered-models/alias": RegistryApi.get_aliased_version,
    "DELETE registered-models/alias": RegistryApi.delete_alias,
    "POST model-versions/create": RegistryApi.create_version,
    "GET model-versions/get": RegistryApi.get_version,
    "PATCH model-versions/update": RegistryApi.update_version,
    "GET model-versions/search": RegistryApi.search_versions,
    "POST model-versions/transition-stage": RegistryApi.set_stage,
    "POST model-versions/set-tag": RegistryApi.set_version_tag,
    "DELETE model-versions/delete-tag": RegistryApi.delete_version_tag,
    "GET model-versions/get-download-uri": RegistryApi.get_download_uri,
}
_ROUTES = compile_routes(_HANDLERS)
