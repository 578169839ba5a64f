"""The model registry of MLflow as a run sees it: names are accepted, and the log says how such a model is declared.

Models are registered by `mlgit apply`, from files; what a script registers ends with its run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .errors import ApiError, invalid_value_error, not_found_error
from .runs import current_milliseconds, key_value_pairs

Document = dict[str, Any]
_ILLEGAL_CHARACTERS = frozenset("/:\\")

_NOTE = """
mlgit: {name} was not registered, because models are registered from files. To register it with every run of this job,
mlgit: save it into an output of the job: `outputs: {{{output}: {{type: mlflow_model}}}}`, and declare it in a file:
mlgit:   $schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
mlgit:   name: {name}
mlgit:   type: mlflow_model
mlgit:   path: azureml://jobs/{job}/outputs/{output}
"""


class RegisteredModels:
    """The models that a script registers, as documents of MLflow; ``write_note`` writes into the log of the run."""

    def __init__(self, job: str, outputs: Mapping[str, str], write_note: Callable[[str], None]) -> None:
        self._job = job
        self._output = next((name for name, type_ in outputs.items() if type_ == "mlflow_model"), "model")
        self._write_note = write_note
        self._models: dict[str, Document] = {}
        self._versions: dict[str, list[Document]] = {}

    def create(self, name: str, description: str, tags: dict[str, str]) -> Document:
        """Create a registered model, and note how it is declared; raises ApiError if it exists."""
        if not name.isprintable() or _ILLEGAL_CHARACTERS & set(name):
            raise invalid_value_error(f"{name!r} cannot be the name of a model")
        if name in self._models:
            raise ApiError("RESOURCE_ALREADY_EXISTS", f"this job has registered the model {name!r} already")
        now = current_milliseconds()
        self._models[name] = {
            "name": name,
            "creation_timestamp": now,
            "last_updated_timestamp": now,
            "description": description,
            "tags": key_value_pairs(tags),
            "aliases": [],
        }
        self._versions[name] = []
        self._write_note(_NOTE.format(name=name, job=self._job, output=self._output))
        return self.get(name)

    def get_stored(self, name: str) -> Document:
        """Return the document of a registered model, to be changed."""
        if name not in self._models:
            raise not_found_error(f"this job has not registered a model {name!r}")
        return self._models[name]

    def get(self, name: str) -> Document:
        return {**self.get_stored(name), "latest_versions": self._versions[name][-1:]}

    def list_models(self) -> list[Document]:
        return [self.get(name) for name in self._models]

    def create_version(self, name: str, source: str, body: Document, tags: dict[str, str]) -> Document:
        """Add a version to a registered model."""
        self.get_stored(name)
        now = current_milliseconds()
        version = {
            "name": name,
            "version": str(len(self._versions[name]) + 1),
            "creation_timestamp": now,
            "last_updated_timestamp": now,
            "current_stage": "None",
            "description": str(body.get("description") or ""),
            "source": source,
            "run_id": str(body.get("run_id") or ""),
            "model_id": str(body.get("model_id") or ""),
            "status": "READY",
            "tags": key_value_pairs(tags),
        }
        self._versions[name].append(version)
        return version

    def get_version(self, name: str, version: str) -> Document:
        self.get_stored(name)
        for document in self._versions[name]:
            if document["version"] == version:
                return document
        raise not_found_error(f"the model {name!r} has no version {version!r}")

    def list_versions(self) -> list[Document]:
        """Return all versions of all models, newest first."""
        return [version for versions in self._versions.values() for version in reversed(versions)]

    def set_alias(self, name: str, alias: str, version: str) -> None:
        self.get_version(name, version)
        self.delete_alias(name, alias)
        self.get_stored(name)["aliases"].append({"alias": alias, "version": version})

    def delete_alias(self, name: str, alias: str) -> None:
        document = self.get_stored(name)
        document["aliases"] = [item for item in document["aliases"] if item["alias"] != alias]

    def get_aliased_version(self, name: str, alias: str) -> Document:
        for item in self.get_stored(name)["aliases"]:
            if item["alias"] == alias:
                return self.get_version(name, item["version"])
        raise not_found_error(f"the model {name!r} has no alias {alias!r}")


def update_document(document: Document, body: Document) -> Document:
    """Set the description of a model or a version."""
    document |= {"description": str(body.get("description") or ""), "last_updated_timestamp": current_milliseconds()}
    return document


def set_document_tag(document: Document, key: str, value: str | None) -> None:
    """Set a tag of a model or a version, or delete it if the value is None."""
    remaining = [tag for tag in document["tags"] if tag["key"] != key]
    document["tags"] = remaining if value is None else [*remaining, {"key": key, "value": value}]
