"""The contents of a task, checked before it is submitted."""

from __future__ import annotations

from reconciler.model.backend import Backend
from reconciler.model.object_store import ObjectStore
from reconciler.model.tasks import Task, TaskContent
from reconciler.storage.store_errors import replaced_error


def check_task_contents(store: ObjectStore, task: Task, backend: Backend) -> None:
    """Raise UserError ``content-corrupt`` unless the code and the inputs of a task have the sha256 that was recorded.

    That is what a job reads from a store that others write to; their md5 is checked wherever they are read. A backend
    that checks them where it brings them is left to do so: nothing is read here.
    """
    if getattr(type(backend), "checks_contents", False):  # one that cannot be opened has every attribute, and raises
        return
    inputs = [item.content for item in task.inputs.values() if isinstance(item, TaskContent)]
    for content in (*inputs, *((task.code,) if task.code else ())):
        if not store.has_recorded_sha256(content):
            raise replaced_error(task, content, store.location)
