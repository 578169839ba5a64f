"""MLflow's own tracking server and registry on 127.0.0.1, from a virtual environment of its own (`make mlflow`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from services.ports import free_port
from services.processes import Service

VERSION = "3.17.2"
_START_SECONDS = 300  # 15 on a quiet machine, over 100 on a busy one
ROOT = Path(__file__).parent.parent.parent
PROGRAM = ROOT / "build/mlflow/bin/mlflow"
MISSING = "" if PROGRAM.exists() else "MLflow's server is not installed (make mlflow)"


@dataclass
class MlflowServer:
    """The service; one process, its files below ``folder``."""

    folder: Path
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.start()

    def start(self) -> None:
        """Start it, or start it again with the same files."""
        stores = (
            "--backend-store-uri",
            f"sqlite:///{self.folder}/m.db",
            "--artifacts-destination",
            f"{self.folder}/art",
        )
        command = [str(PROGRAM), "server", *stores, "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self._service = Service(command, self.folder, self.port, quiet, _START_SECONDS)
        self.stop = self._service.stop

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"
