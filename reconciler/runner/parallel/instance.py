"""An instance of the run but the first one: it starts workers as the controller tells, and passes on what they say."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from typing import Any

from .batches import MiniBatch
from .exchange import Exchange
from .other_instance import END, ENDED, GIVE, HELLO, KILL, START, STOP
from .worker_process import Started, WorkerProcess

_POLL_SECONDS = 0.1  # between two looks at the orders
_NEVER = float("inf")  # the controller has the times


class Instance:
    """The workers of this instance, by the numbers that the controller gives them."""

    def __init__(self, exchange: Exchange, start_worker: Callable[[], Started]) -> None:
        self._exchange, self._start_worker = exchange, start_worker
        self._workers: dict[int, WorkerProcess] = {}
        self._selector = selectors.DefaultSelector()

    def run(self, capacity: int) -> None:
        """Do what the controller tells until that is to end; no worker is left then."""
        self._exchange.send({"event": HELLO, "workers": capacity})
        try:
            while self._obey():
                for key, _ in self._selector.select(_POLL_SECONDS):
                    self._pass_on(key.data)
                self._report_ends()
        finally:
            for worker in self._workers.values():
                worker.kill()
            self._selector.close()

    def _obey(self) -> bool:
        """Do what the controller has told since the last look; return False if that was to end."""
        for message in self._exchange.receive():
            if message["order"] == END:
                return False
            if message["order"] == START:
                self._start(int(message["worker"]))
            elif (worker := self._workers.get(int(message["worker"]))) is not None:  # else it has ended
                _tell(worker, message)
        return True

    def _start(self, number: int) -> None:
        worker = self._workers[number] = WorkerProcess(self._start_worker(), _NEVER)
        self._selector.register(worker.channel, selectors.EVENT_READ, number)

    def _pass_on(self, number: int) -> None:
        for message in self._workers[number].messages():
            self._exchange.send({**message, "worker": number})

    def _report_ends(self) -> None:
        ended = {number: worker for number, worker in self._workers.items() if worker.return_code is not None}
        for number, worker in ended.items():
            self._pass_on(number)  # sent before it ended
            self._selector.unregister(worker.channel)
            worker.close()
            del self._workers[number]
            self._exchange.send({"event": ENDED, "worker": number, "code": worker.return_code})


def _tell(worker: WorkerProcess, message: dict[str, Any]) -> None:
    if message["order"] == GIVE:
        worker.send_batch(MiniBatch.from_message(message))
    elif message["order"] == STOP:
        worker.close_channel()
    elif message["order"] == KILL:
        worker.kill()
