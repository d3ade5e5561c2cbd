"""One TCP connection: whole messages out, checked headers in, and a timeout on every wait."""
from __future__ import annotations

import select
import socket
import threading
import time
from typing import Callable

import wire
from wire import breach

WRITE_TIMEOUT = 60.0  # "output waits and not a byte of it leaves" (section 8)
MESSAGE_TIMEOUT = 60.0  # "a message, from its first byte to its last" (section 8)


class Silence(Exception):
    """Nothing came for as long as the caller allowed."""


class Stopped(Exception):
    """The caller's `stop` said so."""


class Link:
    """A connected socket. Any thread may send; one thread receives."""

    def __init__(self, sock: socket.socket, nodelay: bool = True, split: bool = False, chunk: int = 0,
                 quickack: bool = False) -> None:
        sock.settimeout(WRITE_TIMEOUT)
        if nodelay:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.split, self.chunk, self.quickack = sock, split, chunk, quickack
        self.lock = threading.Lock()
        self.buffer = bytearray()
        self.arriving = False
        self.eof = False
        self.last_sent = self.last_received = time.monotonic()

    def send(self, kind: int, payload: bytes = b"") -> None:
        """One message in one write; or header and payload apart, or `chunk` bytes at a time."""
        whole = wire.message(kind, payload)
        if self.split and payload:
            pieces = [whole[:wire.HEADER_SIZE], payload]
        elif self.chunk:
            pieces = [whole[i:i + self.chunk] for i in range(0, len(whole), self.chunk)]
        else:
            pieces = [whole]
        with self.lock:
            for piece in pieces:
                self.sock.sendall(piece)
            self.last_sent = time.monotonic()

    def _more(self, deadline: float, stop: Callable[[], bool]) -> bool:
        """Waits for bytes; False at EOF."""
        while True:
            if stop():
                raise Stopped
            if self.quickack and hasattr(socket, "TCP_QUICKACK"):
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            if select.select([self.sock], [], [], max(0.0, min(0.05, deadline - time.monotonic())))[0]:
                data = self.sock.recv(1 << 18)
                self.buffer += data
                self.eof = not data
                self.last_received = time.monotonic()
                return bool(data)
            if time.monotonic() >= deadline:
                raise Silence

    def receive(self, limit: Callable[[int], int], silence: float,
                stop: Callable[[], bool] = lambda: False) -> tuple[int, bytes] | None:
        """The next message, None at an EOF between two. Raises Silence if no first byte comes in time."""
        deadline = time.monotonic() + silence
        while not self.buffer:
            if not self._more(deadline, stop):
                return None
        self.arriving = True
        deadline = time.monotonic() + MESSAGE_TIMEOUT
        try:
            self._fill(wire.HEADER_SIZE, deadline, stop)
            kind, size = wire.parse_header(bytes(self.buffer[:wire.HEADER_SIZE]))
            if size > limit(kind):
                breach("8", "The length in a header is held against the limit of its type before anything is read "
                       "or allocated", f"{wire.name(kind)} of {size} bytes, at most {limit(kind)} allowed")
            self._fill(wire.HEADER_SIZE + size, deadline, stop)
        except Silence:
            breach("8", "a message, from its first byte to its last", f"not whole after {MESSAGE_TIMEOUT:.0f} s", 6)
        payload = bytes(self.buffer[wire.HEADER_SIZE:wire.HEADER_SIZE + size])
        del self.buffer[:wire.HEADER_SIZE + size]
        self.arriving = False
        return kind, payload

    def _fill(self, size: int, deadline: float, stop: Callable[[], bool]) -> None:
        while True:
            wire.check_start(bytes(self.buffer[:6]))
            if len(self.buffer) >= size:
                return
            if not self._more(deadline, stop):
                breach("2", "Every message is a header of 12 bytes and a payload",
                       f"EOF after {len(self.buffer)} bytes of a message", 7)

    def pending(self, seconds: float) -> bytes:
        """What has come, or comes within `seconds`, though it was not its turn. Nothing is consumed."""
        if self.buffer:
            return bytes(self.buffer[:wire.HEADER_SIZE])
        if not select.select([self.sock], [], [], seconds)[0]:
            return b""
        return self.sock.recv(wire.HEADER_SIZE, socket.MSG_PEEK)

    def expect_eof(self, seconds: float) -> str:
        """Reads until EOF: "" if it came with nothing before it, else what was there."""
        got = len(self.buffer)
        self.buffer.clear()
        deadline = time.monotonic() + seconds
        try:
            while not self.eof and self._more(deadline, lambda: False):
                got += len(self.buffer)
                self.buffer.clear()
        except Silence:
            return f"no EOF within {seconds:g} s, {got} bytes"
        except OSError as error:
            return f"{error}"
        return f"{got} bytes before the EOF" if got else ""

    def end_sending(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        self.sock.close()
