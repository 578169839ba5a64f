"""The contents of a task, checked before it is submitted."""

from __future__ import annotations

from reconciler.diagnostics import user_error
from reconciler.model.object_store import ObjectStore
from reconciler.model.tasks import Task, TaskContent


def check_task_contents(store: ObjectStore, task: Task) -> None:
    """Raise UserError ``content-corrupt`` unless the code and the inputs of a task have the sha256 that was recorded.

    That is what a job reads from a store that others write to; their md5 is checked wherever they are read.
    """
    inputs = {f"input {name}": item.content for name, item in task.inputs.items() if isinstance(item, TaskContent)}
    for what, content in {**inputs, **({"code": task.code} if task.code else {})}.items():
        if not store.has_recorded_sha256(content):
            found = f"what {store.location} has of it has another sha256"
            message = f"{task.address}: {what} is not as it was stored: {found}"
            hint = "it was replaced on purpose, as its md5 is right: check who may write to the store"
            raise user_error("content-corrupt", message, hint)
