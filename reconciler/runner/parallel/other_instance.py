"""Another instance of the run as the controller has it: workers that it starts when it is told, and what they say.

It decides nothing: the controller has the mini-batches, the times and the retries of all workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .batches import MiniBatch
from .exchange import Exchange
from .worker_process import Worker

START, GIVE, STOP, KILL, END = "start", "give", "stop", "kill", "end"
"""What the controller tells: about a worker, by its number, or that the instance is to end."""
HELLO, ENDED = "hello", "ended"
"""What an instance says besides what its workers say: how many it can have, and that one has ended."""
_DELAY_SECONDS = 5.0  # for a message that is in a file of a network disk


class OtherInstance:
    """An instance, by its number; ``capacity`` is how many workers it can have, None until it has said so."""

    def __init__(self, number: int, exchange: Exchange) -> None:
        self.capacity: int | None = None
        self._number, self._exchange = number, exchange
        self._workers: dict[int, RemoteWorker] = {}
        self._started = 0

    def start_worker(self, deadline: float) -> RemoteWorker:
        """Have a worker started that has to be ready by a time."""
        number, self._started = self._started, self._started + 1
        self._workers[number] = RemoteWorker(number, f"{number} of instance {self._number}", self._exchange, deadline)
        self._exchange.send({"order": START, "worker": number})
        return self._workers[number]

    def receive(self) -> list[Worker]:
        """Take what has come, and return the workers that have said something or have ended."""
        changed: dict[int, Worker] = {}
        for message in self._exchange.receive():
            if message["event"] == HELLO:
                self.capacity = int(message["workers"])
                continue
            number = int(message["worker"])
            worker = changed[number] = self._workers[number]
            if message["event"] == ENDED:
                worker.code = int(message["code"])
                del self._workers[number]
            else:
                worker.received.append(message)
        return list(changed.values())

    def end(self) -> None:
        """Have it end, and kill what workers it still has."""
        self._exchange.send({"order": END})


class RemoteWorker(Worker):
    """A worker of another instance; it has ended when that instance says so, and nothing of it is left then."""

    delay = _DELAY_SECONDS

    def __init__(self, number: int, name: str, exchange: Exchange, deadline: float) -> None:
        super().__init__(name, deadline)
        self.code: int | None = None
        self.received: list[dict[str, Any]] = []
        self._number, self._exchange = number, exchange

    @property
    def return_code(self) -> int | None:
        return self.code

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what has come."""
        while self.received:
            yield self.received.pop(0)

    def send_batch(self, batch: MiniBatch) -> None:
        """Hand over a mini-batch."""
        self._order(GIVE, **batch.to_message())

    def close_channel(self) -> None:
        """Say that there are no more mini-batches."""
        self._order(STOP)

    def kill(self) -> None:
        """Have it killed; it has not ended yet when this returns."""
        if self.code is None:
            self._order(KILL)

    def _order(self, order: str, **fields: Any) -> None:
        self._exchange.send({"order": order, "worker": self._number, **fields})
