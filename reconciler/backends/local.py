"""The backend `local`, as it is known before it is opened: runs are processes of this machine."""

from __future__ import annotations

from reconciler.model.plugins import BackendPlugin, Form

BACKEND = BackendPlugin(
    open="reconciler.backends._local:make_local_backend", accepts=frozenset({Form.PREFIX}), is_host_bound=True
)
