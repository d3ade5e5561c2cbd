"""What encoding and decoding clients have in common: handshake, reading with all checks, waiting, ending."""
from __future__ import annotations

import argparse
import socket
import threading
import time
from typing import Callable

import h26x
import planes
import wire
from link import Link, Silence, Stopped
from options import EXTENSIONS, LISTED, TABLE
from order import ServerOrder
from wire import Violation, breach

ALWAYS = {"h264", "hevc", "pixfmt.nv12", "pixfmt.p010", "hwframes.videotoolbox.input", "hwframes.videotoolbox.output"}
FIRST_TIMEOUT = 5.0  # CONFIGURE_ACK, at least (section 8)
AFTER_FLUSH = 30.0
END = 5.0
LOST_AFTER = 80
ADMITTED = 64
TICK = 0.02


class Refused(Exception):
    """The server said no, or gave up, in the way the page provides for."""


class Gone(Exception):
    """This client leaves on purpose."""


class Session:
    """One session from connecting to its end."""

    def __init__(self, args: argparse.Namespace, mode: str) -> None:
        self.args, self.mode = args, mode
        self.problems: list[str] = []
        self.condition = threading.Condition()
        self.order = ServerOrder()
        self.order.mode = mode
        self.config: wire.Configure | None = None
        self.timeout = args.timeout
        self.ended = False
        self.waiting = False  # for the server: silence counts
        self.pings: list[bytes] = []
        self.taken = 0
        self.sent = self.answered = self.repeats = self.dropped = 0
        self.pings_received = self.pongs_received = self.acks = self.unknown = self.received = 0
        self.assembler: planes.Assembler | None = None
        self.geometry: planes.Geometry | None = None
        self.last_wait = time.monotonic()

    # ---- connection and handshake (sections 3 and 4)

    def connect(self) -> None:
        host, _, port = self.args.server.rpartition(":")
        sock = socket.create_connection((host, int(port)), timeout=self.timeout)
        self.link = Link(sock, nodelay=self.args.nodelay, split=self.args.split_header, chunk=self.args.chunk)

    def _limit(self, kind: int) -> int:
        if not self.config:
            return planes.limit(kind)
        width, height, fmt = self.config.width, self.config.height, self.config.format
        if "x.geometry.v1" in self.order.agreed:
            width = height = planes.MAX_SIZE
        elif self.mode == "decode" and self.order.stage == "stream":
            fmt = self.ack.format
        return planes.limit(kind, fmt, width, height)

    def _answer(self, wanted: int, seconds: float, rule: str) -> bytes:
        """HELLO_ACK or CONFIGURE_ACK, or the ERROR in its place."""
        try:
            got = self.link.receive(self._limit, seconds)
        except Silence:
            breach("8", rule, f"{wire.name(wanted)} not there after {seconds:g} s", 6)
        if got is None:
            breach("7", "Each of the first three is waited for", f"EOF in place of {wire.name(wanted)}", 7)
        kind, payload = got
        self.order.receive(kind)
        if kind == wire.ERROR:
            self._server_error(payload)
        return payload

    def _server_error(self, payload: bytes) -> None:
        error = wire.Error.decode(payload)
        if getattr(self, "hello_ack", None) and self.hello_ack.generation == "ours":
            error = wire.Error.strict(payload)
        self._check_end("ERROR")
        raise Refused(f"ERROR {error.code}: {error.text}")

    def _check_end(self, after: str) -> None:
        """After its last message the server shuts down its sending side (section 1)."""
        got = self.link.expect_eof(END)
        if got and not (after == "ERROR" and "reset" in got.lower()):
            breach("1", "After DONE, after ERROR and after a refusing HELLO_ACK the server shuts down its sending side",
                   f"after {after}: {got}")

    def handshake(self, fmt: int, options: list[tuple[str, str]], extradata: bytes) -> None:
        """HELLO and CONFIGURE; `options` without those of section 9."""
        args = self.args
        self.link.send(wire.HELLO, wire.Hello(args.token, args.codec, args.name, args.build).encode())
        ack = wire.HelloAck.decode(self._answer(wire.HELLO_ACK, self.timeout, "HELLO_ACK, from HELLO"))
        self.hello_ack = ack
        if ack.status:
            self._check_end("a refusing HELLO_ACK")
            raise Refused(f"HELLO_ACK status {ack.status}")
        self._check_server(ack, fmt)
        if args.leave_after == "hello":
            raise Gone
        asked: list[str] = []
        if args.generation == "ours":
            asked = [entry for entry in EXTENSIONS
                     if entry in ack.capabilities and entry.split(".")[1] in args.extensions.split(",")]
            if self.mode == "encode" or "x.slices.v1" not in asked:
                asked = [entry for entry in asked if entry != "x.geometry.v1"]
        options = options + [(entry, "1") for entry in asked]
        config = wire.Configure(args.width, args.height, fmt, self._timebase(), self._rate(ack), options, extradata)
        self.link.send(wire.CONFIGURE, config.encode())
        self.order.stage = "configure"
        payload = self._answer(wire.CONFIGURE_ACK, max(self.timeout, FIRST_TIMEOUT), "CONFIGURE_ACK, from CONFIGURE")
        self.ack = wire.ConfigureAck.decode(payload)
        self.config = config
        self.order.agreed = set(asked)
        self.order.decode_async = ("decode_async", "1") in options
        self._check_configure_ack()

    def _timebase(self) -> tuple[int, int]:
        num, _, den = self.args.timebase.partition("/")
        return int(num), int(den)

    def _rate(self, ack: wire.HelloAck) -> tuple[int, int]:
        num, _, den = self.args.rate.partition("/")
        if int(num) == 0 and self.mode == "encode" and self.args.generation == "ours" and ack.generation != "ours":
            base, scale = self._timebase()
            return (scale, base) if base and 1 <= scale / base <= 1000 else (30, 1)
        return int(num), int(den)

    def _check_server(self, ack: wire.HelloAck, fmt: int) -> None:
        args, listed = self.args, set(ack.capabilities)
        generation = ack.generation
        if args.expect and generation != args.expect:
            self.problems.append(f"the server is {generation}, {args.expect} was expected")
        if generation != "early" and not ALWAYS <= listed:
            breach("3", "It always lists `h264`, `hevc`, `pixfmt.nv12`, `pixfmt.p010`, `hwframes.videotoolbox.input` and "
                   "`hwframes.videotoolbox.output`", f"not listed: {sorted(ALWAYS - listed)}")
        if generation == "early" and (ack.server or ack.version):
            breach("3", "early servers send an empty name and version", f"{ack.server!r} {ack.version!r}")
        if generation == "ours" and ack.server.split()[:1] != ["vtremoted"]:
            breach("3", "It gives its name as `vtremoted`, with that of its backend in parentheses where it accepts",
                   f"name {ack.server!r}")
        if args.expect == "ours" and not set(EXTENSIONS) <= listed:
            breach("3", "and then lists `x.ack.v1`, `x.slices.v1`, `x.geometry.v1`, `x.notice.v1`, "
                   "`x.wire.vtz.v1` and `x.pace.v1`",
                   f"not listed: {sorted(set(EXTENSIONS) - listed)}")
        reserved = [entry for entry in listed if entry.startswith("x.") and entry not in LISTED]
        if reserved:
            breach("9", "Our ends neither list nor send any of these", f"{reserved}")
        needed = f"pixfmt.{planes.FORMAT_NAMES.get(fmt, '?')}"
        if args.unlisted:
            return
        if args.codec not in listed or (fmt > 2 if generation == "early" else needed not in listed):
            raise Refused(f"not listed: {args.codec} or {needed}")

    def _check_configure_ack(self) -> None:
        ack, generation = self.ack, self.hello_ack.generation
        if self.mode == "encode":
            if ack.extradata:
                h26x.parse_record(ack.extradata, self.args.codec)
            elif self.global_header:
                breach("6", "then they are in CONFIGURE_ACK only", "GLOBAL_HEADER and no extradata")
            if generation == "ours" and ack.format != self.config.format:
                breach("4", "In encode it repeats CONFIGURE's", f"pixel format {ack.format}, not {self.config.format}")
        else:
            if ack.extradata:
                breach("4", "never a length cut to fit. In decode it is empty", f"{len(ack.extradata)} bytes")
            if ack.format not in planes.FORMAT_NAMES or ack.format > 2 and "x.ack.v1" not in self.order.agreed:
                breach("4", "Existing clients understand 1 and 2 only; to a client that has not agreed to `x.ack.v1` our "
                       "server sends ERROR 3 rather than another number", f"pixel format {ack.format}", 3)
        for key, _ in self.config.options:
            if generation == "ours" and key not in TABLE and not any(key in line for line in ack.warnings):
                breach("4", "Every option that is neither honoured nor refused is a warning that names it",
                       f"none names {key}")

    global_header = False

    # ---- the thread that reads

    def start(self) -> None:
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _silence(self) -> float:
        return AFTER_FLUSH if self.order.flushed and self.hello_ack.generation == "early" else max(self.timeout, 3.0)

    def _read(self) -> None:
        try:
            while not self.order.ended:
                try:
                    got = self.link.receive(self._limit, 0.25, lambda: self.ended)
                except Silence:
                    self._check_silence()
                    continue
                if got is None:
                    breach("7", "between CONFIGURE_ACK and DONE it never closes without ERROR",
                           f"EOF with {self.sent + self.repeats - self.answered} unanswered", 7)
                if self.args.read_delay:
                    time.sleep(self.args.read_delay / 1000)
                with self.condition:
                    self._message(*got)
                    self.condition.notify_all()
            if self.order.ended == "DONE":
                self._check_end("DONE")
        except Stopped:
            pass
        except (Violation, Refused) as problem:
            self._problem(str(problem))
        except OSError as error:
            self._problem(f'section 7: "between CONFIGURE_ACK and DONE it never closes without ERROR" -- {error}')
        except Exception as error:  # a fault of this program must not look like success
            self._problem(f"internal: {type(error).__name__}: {error}")
        finally:
            with self.condition:
                self.ended = True
                self.condition.notify_all()

    def _problem(self, text: str) -> None:
        if not self.args.leave_after:
            self.problems.append(text)

    def _check_silence(self) -> None:
        moved = max(self.link.last_received, self.link.last_sent, self.last_wait)
        if self.waiting and time.monotonic() - moved > self._silence():
            breach("8", "silence: not a byte from the server, and not a byte of a frame leaving",
                   f"{self._silence():g} s, {self.sent + self.repeats - self.answered} unanswered", 6)

    def _message(self, kind: int, payload: bytes) -> None:
        self.order.receive(kind)
        wire.check_empty(kind, payload)
        if kind == wire.ERROR:
            self._server_error(payload)
        elif kind == wire.PING:
            self._ping(payload)
        elif kind == wire.PONG:
            self._pong(payload)
        elif kind == wire.ACK:
            self._ack(wire.Ack.decode(payload))
        elif kind == wire.PACKET:
            self.packet(wire.Packet.decode(payload))
        elif kind == wire.FRAME:
            self.frame(wire.Frame.decode(payload))
        elif kind == wire.FRAME_BEGIN:
            self.frame_begin(wire.FrameBegin.decode(payload))
        elif kind == wire.SLICE:
            self.slice(wire.Slice.decode(payload))
        elif kind == wire.DONE:
            self.done()
        else:
            self.unknown += 1

    def _ping(self, payload: bytes) -> None:
        self.pings_received += 1
        wire.check_ping(payload)
        if self.hello_ack.generation == "ours" and self.nothing_waits():
            breach("8", "after 2 s of sending nothing, while frames are unanswered, a message is arriving or a drain is "
                   "under way", "PING while nothing waits")
        if self.args.pong:
            try:
                self.link.send(wire.PONG, payload[:64])
            except OSError:
                pass

    def _pong(self, payload: bytes) -> None:
        self.pongs_received += 1
        if self.pings and payload not in wire.expected_pong(self.pings[0]) or payload and not self.pings:
            breach("2", "empty, or a copy of what its PING had", f"PONG {payload[:16].hex()}")
        if self.pings:
            self.pings.pop(0)

    def _ack(self, ack: wire.Ack) -> None:
        self.acks += 1
        step = (ack.taken - self.taken) & 0xFFFFFFFF
        if step > self.sent - self.taken:
            breach("9", "`taken` never goes back and never exceeds what was sent",
                   f"{ack.taken} after {self.taken} with {self.sent} sent")
        self.taken += step

    # ---- what the two modes fill in

    def nothing_waits(self) -> bool:
        return False

    def packet(self, packet: wire.Packet) -> None:
        raise NotImplementedError

    def frame(self, frame: wire.Frame) -> None:
        raise NotImplementedError

    def frame_begin(self, begin: wire.FrameBegin) -> None:
        raise NotImplementedError

    def slice(self, piece: wire.Slice) -> None:
        raise NotImplementedError

    def done(self) -> None:
        if self.pings and len(self.pings) <= 16:
            breach("8", "A PING that is legal is answered by a PONG", f"{len(self.pings)} PINGs without PONG at DONE")

    # ---- the thread that writes

    def wait(self, ready: Callable[[], bool], seconds: float | None = None, waiting: bool = True) -> bool:
        """Waits until `ready` (checked under the lock) or the end, sending PING meanwhile; True if ready."""
        until = None if seconds is None else time.monotonic() + seconds
        self.waiting, self.last_wait = waiting, time.monotonic()
        try:
            while True:
                with self.condition:
                    if self.ended or ready():
                        return not self.ended
                    if until is not None and time.monotonic() >= until:
                        return False
                    self.condition.wait(TICK)
                self._keep_alive()
        finally:
            self.waiting = False

    def _keep_alive(self) -> None:
        after = self.args.ping_after
        if after and not self.order.flushed and time.monotonic() - self.link.last_sent >= after:
            self.ping()

    def ping(self) -> None:
        payload = b"p" * self.args.ping_payload
        with self.condition:
            self.pings.append(payload)
        self.link.send(wire.PING, payload)

    def pause(self, milliseconds: float) -> None:
        """--sleep: nothing is sent but PING."""
        if milliseconds:
            self.wait(lambda: False, milliseconds / 1000, waiting=False)

    def leave(self, at: int) -> None:
        """--bare-close-at."""
        if self.args.bare_close_at and at >= self.args.bare_close_at:
            self.args.leave_after = "frames"
            raise Gone

    def flush(self) -> None:
        """FLUSH, as often as the generation does, then until the end."""
        if self.args.leave_after == "input":
            raise Gone
        with self.condition:
            self.order.flushed = True
        for number in range(max(1, self.args.repeat_flush)):
            try:
                self.link.send(wire.FLUSH)
            except OSError:
                if number == 0:
                    raise
                break
        if self.args.half_close:
            self.link.end_sending()
        self.wait(lambda: False)
        self.reader.join(AFTER_FLUSH)

    def close(self) -> None:
        with self.condition:
            self.ended = True
        if hasattr(self, "link"):
            self.link.close()

    def describe(self) -> dict:
        """What both modes say in their line."""
        ack = getattr(self, "hello_ack", wire.HelloAck())
        out: dict[str, object] = {
            "mode": self.mode, "server": [ack.server, ack.version, ack.generation],
            "capabilities": ack.capabilities, "sent": self.sent, "answered": self.answered, "repeats": self.repeats,
            "dropped": self.dropped, "pings": self.pings_received, "pongs": self.pongs_received, "acks": self.acks,
            "taken": self.taken, "unknown": self.unknown, "agreed": sorted(self.order.agreed)}
        if self.config:
            out |= {"extradata": self.ack.extradata.hex(), "format": self.ack.format, "warnings": self.ack.warnings}
        return out
