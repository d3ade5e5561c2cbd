"""What a server has to write: PONG, ACK and PING first, then everything else in order (section 7)."""
from __future__ import annotations

import threading
import time
from collections import deque
from typing import Callable

import wire
from link import Link

MAX_PONGS = 16  # section 8


class Outbox(threading.Thread):
    """Writes from a thread of its own, so that receiving never waits for sending."""

    def __init__(self, link: Link, may_ping: Callable[[], bool], ping_after: float) -> None:
        super().__init__(daemon=True)
        self.link, self.may_ping, self.ping_after = link, may_ping, ping_after
        self.condition = threading.Condition()
        self.output: deque[tuple[int, bytes]] = deque()
        self.pongs: deque[bytes] = deque()
        self.ack: bytes | None = None
        self.finished = False
        self.failed: OSError | None = None
        self.pings = 0

    def put(self, kind: int, payload: bytes = b"") -> None:
        with self.condition:
            if not self.finished:
                self.output.append((kind, payload))
                self.condition.notify()

    def put_pong(self, ping: bytes) -> None:
        with self.condition:
            if len(self.pongs) < MAX_PONGS:
                self.pongs.append(ping if len(ping) <= 64 else b"")
                self.condition.notify()

    def put_ack(self, payload: bytes) -> None:
        """Takes the place of an ACK that still waits: the count is cumulative (section 9)."""
        with self.condition:
            self.ack = payload
            self.condition.notify()

    def finish(self) -> None:
        """Nothing more is put; the thread ends when all is written."""
        with self.condition:
            self.finished = True
            self.condition.notify()

    def _next(self) -> tuple[int, bytes] | None:
        with self.condition:
            while True:
                if self.pongs:
                    return wire.PONG, self.pongs.popleft()
                if self.ack is not None:
                    payload, self.ack = self.ack, None
                    return wire.ACK, payload
                if self.output:
                    return self.output.popleft()
                if self.finished:
                    return None
                if time.monotonic() - self.link.last_sent >= self.ping_after and self.may_ping():
                    self.pings += 1
                    return wire.PING, b""
                self.condition.wait(0.05)

    def run(self) -> None:
        try:
            while (item := self._next()) is not None:
                self.link.send(*item)
        except OSError as error:
            self.failed = error
