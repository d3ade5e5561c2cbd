"""A server without a codec, with the habits of one of three generations; strict about its client."""
from __future__ import annotations

import argparse
import json
import queue
import socket
import threading
import time

import fake
import h26x
import planes
import wire
from link import Link, Silence, Stopped
from options import EXTENSIONS, GLOBAL_HEADER, Options
from order import ClientOrder
from outbox import Outbox
from wire import Violation, breach

ALWAYS = ["h264", "hevc", "pixfmt.nv12", "pixfmt.p010", "hwframes.videotoolbox.input", "hwframes.videotoolbox.output"]
EXTRA_FORMATS = ["pixfmt.bgra", "pixfmt.ayuv", "pixfmt.p210"]
IDLE = {"early": 10.0, "current": 60.0, "ours": 60.0}
LINGER = 5.0
HANDSHAKE = 10.0
GUARD = 120.0  # no wait at all lasts longer


class Refused(Exception):
    """The session is refused by an ERROR; `planned` if that was asked for on the command line."""

    def __init__(self, code: int, text: str, planned: bool = False) -> None:
        super().__init__(text)
        self.code, self.planned = code, planned


class Left(Exception):
    """The client has gone where it may."""


def capabilities(args: argparse.Namespace) -> list[str]:
    """What HELLO_ACK lists (section 3)."""
    if args.capabilities is not None:
        return [entry for entry in args.capabilities.split(",") if entry]
    if args.generation == "early":
        return ["h264", "hevc"]
    out = ALWAYS + EXTRA_FORMATS + (["side_data.v2"] if args.side_data else [])
    if args.generation == "ours":
        out += [entry for entry in EXTENSIONS if entry.split(".")[1] in args.extensions.split(",")]
    return out


class Session(threading.Thread):
    """One connection: reads and checks here, a fake codec and a writer in threads of their own."""

    def __init__(self, sock: socket.socket, args: argparse.Namespace, active: int) -> None:
        super().__init__(daemon=True)
        self.args, self.active = args, active
        self.link = Link(sock, nodelay=True, chunk=args.chunk, quickack=True)
        self.order = ClientOrder()
        self.capabilities = capabilities(args)
        self.problems: list[str] = []
        self.counted = False  # a port check is no session
        self.sabotage = ""  # what this server has done wrong on purpose
        self.ending = ""  # done, error or bare: no more output
        self.noticed = False  # the reader has seen `ending`
        self.queue: queue.Queue[tuple] = queue.Queue()
        self.outbox: Outbox | None = None
        self.codec_thread: threading.Thread | None = None
        self.config: wire.Configure | None = None
        self.assembler: planes.Assembler | None = None
        self.last_pts: int | None = None
        self.count: dict[str, int] = {key: 0 for key in (
            "frames", "packets", "slices", "repeats", "answered", "taken", "pings", "pongs", "side_data", "unknown",
            "in_flight", "not_taken")}

    # ---- frame of a session

    def run(self) -> None:
        try:
            self._handshake()
            self._configure()
            self._stream()
        except Left:
            pass
        except Violation as violation:
            self.problems.append(str(violation))
            self._error(violation.code, str(violation))
        except Refused as refusal:
            if not refusal.planned:
                self.problems.append(f"refused: {refusal}")
            self._error(refusal.code, str(refusal))
        except (ConnectionError, BrokenPipeError) as error:
            if self.order.stage == "stream" and not self.order.flushes:
                self._left(f"connection lost: {error}")
        except OSError as error:
            self.problems.append(f"socket: {error}")
        finally:
            self._end()

    def _error(self, code: int, text: str) -> None:
        """An ERROR, behind the output that came before. Early servers close without one."""
        if code == 7 and self.order.stage == "start":
            self.ending = "bare"  # section 2: other software uses the port too
        elif self.args.generation == "early" and self.order.stage == "stream":
            self.ending = "bare"
        else:
            self.ending = "error"
            payload = wire.Error(code, text[:2000].replace("\n", " ")).encode()
            if self.outbox:
                self.outbox.put(wire.ERROR, payload)
            else:
                try:
                    self.link.send(wire.ERROR, payload)
                except OSError:
                    pass
        if self.outbox:
            self.outbox.finish()
            self.outbox.join(GUARD)
        self.link.end_sending()
        got = self.link.expect_eof(LINGER)
        if got.startswith("no EOF"):
            self.problems.append(f'section 1: "It closes after DONE or ERROR" -- {got}')

    def _end(self) -> None:
        self.ending = self.ending or "error"
        if self.outbox:
            self.outbox.finish()
            self.outbox.join(GUARD)
            if self.outbox.failed and not self.problems and not self.sabotage:
                self.problems.append(f'section 1: "It closes after DONE or ERROR" -- {self.outbox.failed}')
        if self.codec_thread:
            self.codec_thread.join(GUARD)
        self.link.end_sending()
        self.link.close()

    def _early_bytes(self, rule_stage: str) -> None:
        """Looks whether the client talks before its turn; the order of messages then says what is wrong."""
        if self.link.pending(self.args.settle / 1000):
            self.order.receive(self._read(1.0)[0])

    def _read(self, silence: float) -> tuple[int, bytes]:
        got = self.link.receive(self._limit, silence)
        if got is None:
            raise Left
        return got

    def _limit(self, kind: int) -> int:
        if not self.config:
            return planes.limit(kind)
        if kind == wire.PACKET and "x.geometry.v1" in self.order.agreed:
            return 64 << 20
        return planes.limit(kind, self.config.format, self.config.width, self.config.height)

    # ---- handshake (section 3)

    def _handshake(self) -> None:
        try:
            kind, payload = self._read(HANDSHAKE)
        except Silence:
            breach("8", "HELLO complete, from the connection", f"nothing for {HANDSHAKE:.0f} s", 6)
        self.counted = True
        self.order.receive(kind)
        if kind != wire.HELLO:
            raise Left
        hello = wire.Hello.decode(payload)
        self.hello = hello
        self._early_bytes("hello")
        self._planned(self.args.hello_status, "asked for")
        if self.args.token and hello.token != self.args.token:
            time.sleep(1.0)
            self._refuse_hello(2, "wrong token")
        if hello.codec not in self.capabilities:
            self._refuse_hello(3, f"no {hello.codec}")
        if self.active > self.args.max_sessions:
            self._refuse_hello(1, "busy")
        early = self.args.generation == "early"
        name = {"early": "", "current": "current-mock", "ours": "vtremoted"}[self.args.generation]
        ack = wire.HelloAck(0, name, "" if early else "mock", self.capabilities,
                            4 if early else self.args.max_sessions, 1 if early else self.active)
        self.link.send(wire.HELLO_ACK, ack.encode())
        self.order.stage = "accepted"

    def _planned(self, status: int, why: str) -> None:
        if status:
            self._refuse_hello(status, why, planned=True)

    def _refuse_hello(self, status: int, why: str, planned: bool = False) -> None:
        if not planned:
            self.problems.append(f"refused: HELLO_ACK status {status}, {why}")
        ack = wire.HelloAck(status, "vtremoted" if self.args.generation == "ours" else "", "", self.capabilities,
                            self.args.max_sessions, self.active)
        self.link.send(wire.HELLO_ACK, ack.encode())
        self.link.end_sending()
        got = self.link.expect_eof(LINGER)
        if got:
            self.problems.append('section 3: "The client then waits for HELLO_ACK before it sends anything else" -- '
                                 f"refused, and {got}")
        raise Left

    # ---- CONFIGURE (section 4)

    def _configure(self) -> None:
        try:
            kind, payload = self._read(HANDSHAKE)
        except Silence:
            breach("8", "CONFIGURE complete, from HELLO_ACK", f"nothing for {HANDSHAKE:.0f} s", 6)
        self.order.receive(kind)
        if kind != wire.CONFIGURE:
            self._client_error(payload)
        config = wire.Configure.decode(payload)
        options = Options(config.options)
        self.options = options
        self._early_bytes("configure")
        if self.args.refuse:
            raise Refused(1, f"refused on purpose: {self.args.refuse}", planned=True)
        mode = str(options["mode"])
        self._check_configure(config, options, mode)
        self.order.mode, self.mode = mode, mode
        self.order.ours = self._is_ours(options)
        warnings = [f"option {key} is not known" for key in options.unknown] if self.args.generation == "ours" else []
        agreed = options.asked()
        if "x.geometry.v1" in agreed and (mode == "encode" or "x.slices.v1" not in agreed):
            agreed.discard("x.geometry.v1")
            warnings.append("option x.geometry.v1 is not honoured: it is for decoding with x.slices.v1")
        self.order.agreed = agreed
        self.config = config
        record, out_format = b"", config.format
        if mode == "encode":
            in_band = not int(options["flags"]) & GLOBAL_HEADER and not self.args.no_inband_sets
            self.encoder = fake.Encoder(self.hello.codec, config.width, config.height, config.format,
                                        int(options["gop"]) or 30, self.args.reorder or 0, in_band,
                                        self.args.short_start_codes)
            record = b"" if self.args.no_extradata else self.encoder.record
        else:
            out_format = planes.FORMATS[self.args.decode_format] if self.args.decode_format else config.format
            if out_format > 2 and "x.ack.v1" not in agreed:
                raise Refused(3, f"pixel format {out_format} to a client that knows 1 and 2 only")
            self.decoder = fake.Decoder(self._depth(options))
        self.out_format = out_format
        if self.args.configure_delay:
            time.sleep(self.args.configure_delay / 1000)
        self.link.send(wire.CONFIGURE_ACK, wire.ConfigureAck(record, out_format, warnings).encode())
        self.order.stage = "stream"

    def _depth(self, options: Options) -> int | None:
        """Pictures to hold for the order of showing; none for early servers, which answer in decoding order."""
        if self.args.generation == "early":
            return None
        if self.args.reorder is not None:
            return self.args.reorder
        return max(0, int(options["decode_reorder_depth"])) if options["decode_async"] == 1 else 0

    def _is_ours(self, options: Options) -> bool:
        """How the page's first table tells clients, unless the command line says it."""
        return self.args.client_is_ours or bool(options["x.ack.v1"] or options["x.slices.v1"])

    def _check_configure(self, config: wire.Configure, options: Options, mode: str) -> None:
        early, ours = self.args.generation == "early", self._is_ours(options)
        if mode == "transcode":
            breach("3", "It asks for transcoding only where `packet_ack.v1` is listed", "mode=transcode", 3)
        if config.format not in planes.FORMAT_NAMES:
            breach("4", "A server refuses a number that it does not have (ERROR 3)", f"pixel format {config.format}", 3)
        if early:
            if config.format > 2:
                breach("3", "it takes NV12 and P010, and knows no side data and no transcoding",
                       f"pixel format {config.format}", 3)
        elif f"pixfmt.{planes.FORMAT_NAMES[config.format]}" not in self.capabilities:
            breach("3", "Before it sends CONFIGURE it checks that what it needs is listed",
                   f"pixel format {config.format}", 3)
        if not 1 <= config.width <= planes.MAX_SIZE or not 1 <= config.height <= planes.MAX_SIZE:
            breach("4", "Larger ones, and 0, are refused (ERROR 1 or 3)", f"{config.width}x{config.height}", 1)
        if config.timebase[1] == 0 or config.timebase[0] == 0 and config.timebase[1] != 1:
            breach("4", "timebase: numerator, denominator; seconds per tick", f"timebase {config.timebase}", 1)
        if self.args.generation == "current" and mode == "encode" and 0 in config.rate:
            breach("4", "so towards servers that are not ours our client sends 1/timebase instead",
                   f"frame rate {config.rate}", 1)
        missing = options.asked() - set(self.capabilities)
        if missing:
            breach("9", "sets the option of the same name to `1` in CONFIGURE, and only if it was listed",
                   f"{sorted(missing)}")
        if mode == "encode" and config.extradata:
            breach("4", "empty in encode. In decode and transcode: an avcC or hvcC record",
                   f"{len(config.extradata)} bytes of extradata in encode")
        if mode == "decode":
            if config.extradata:
                h26x.parse_extradata(config.extradata, self.hello.codec)
            elif self.args.generation != "ours":
                breach("4", "Existing servers need it: our client then waits for such a packet and configures with "
                       "its sets", "no extradata", 1)
        if ours and mode == "decode" and options["decode_async"] != 1:
            breach("4", "and `decode_async=1` always in decode", f"decode_async={options['decode_async']}")
        if ours and options.plain:
            self.problems.append('section 4: "Our client sends the keys whose values are not the default" -- '
                                 f"sent with their defaults: {options.plain}")

    # ---- stream (section 7)

    def _may_ping(self) -> bool:
        """When a server sends PING (section 8). Early ones are not known to."""
        if self.args.generation == "early" or self.args.no_ping or self.ending:
            return False
        if self.mode == "decode" and self.options["decode_async"] != 1:
            return False
        received = self.count["frames"] + self.count["repeats"] + self.count["packets"]
        return received > self.count["answered"] or self.link.arriving or self.order.flushes > 0

    def _stream(self) -> None:
        self.outbox = Outbox(self.link, self._may_ping, self.args.ping_after)
        self.outbox.start()
        self.codec_thread = threading.Thread(target=self._codec, daemon=True)
        self.codec_thread.start()
        while True:
            try:
                got = self.link.receive(self._limit, self._patience(), self._interrupted)
            except Stopped:
                self.noticed = True
                if self.ending != "done":
                    self._after_own_end()
                    return
                continue
            except Silence:
                if self.ending:
                    breach("1", "It closes after DONE or ERROR", f"no EOF within {LINGER:.0f} s after DONE")
                if self.order.flushes:
                    raise Refused(5, "the fake codec is stuck")
                breach("8", "after 4 s of sending nothing, until FLUSH", f"silent for {self._patience():g} s", 6)
            if got is None:
                if not self.order.flushes:
                    self._left("EOF before FLUSH")
                    return
                self.codec_thread.join(GUARD)
                return
            self._message(*got)

    def _patience(self) -> float:
        if self.ending:
            return LINGER
        if self.order.flushes:
            return GUARD
        return self.args.idle or IDLE[self.args.generation]

    def _interrupted(self) -> bool:
        return bool(self.ending) and not self.noticed

    def _after_own_end(self) -> None:
        """After an ERROR or a bare close of our own making, the client has to go."""
        self.outbox.join(GUARD)
        self.link.end_sending()
        got = self.link.expect_eof(LINGER)
        if got.startswith("no EOF"):
            self.problems.append(f'section 1: "It closes after DONE or ERROR" -- {got}')

    def _left(self, how: str) -> None:
        """The client has gone before FLUSH: normal for a probe, or if this server misbehaves on purpose."""
        probe = self.mode == "decode" and not self.count["packets"]
        if not (probe or self.sabotage or self.args.allow_leave):
            self.problems.append(f'section 1: "One that closes before FLUSH has left" -- {how}')

    def _client_error(self, payload: bytes) -> None:
        error = wire.Error.decode(payload)
        if self.order.ours:
            wire.Error.strict(payload)
        if not self.sabotage:
            self.problems.append(f"the client sent ERROR {error.code}: {error.text}")
        raise Left

    def _message(self, kind: int, payload: bytes) -> None:
        self.order.receive(kind)
        wire.check_empty(kind, payload)
        if kind == wire.ERROR:
            self._client_error(payload)
        elif kind == wire.PING:
            self.count["pings"] += 1
            if self.order.ours:
                wire.check_ping(payload)
            if not self.args.no_pong:
                self.outbox.put_pong(payload)
        elif kind == wire.PONG:
            self.count["pongs"] += 1
            if payload:
                breach("2", "empty, or a copy of what its PING had", f"PONG of {len(payload)} bytes to empty PINGs")
        elif kind == wire.FLUSH:
            if self.order.flushes == 1:
                self.queue.put(("flush",))
        elif kind == wire.FRAME:
            self._frame(wire.Frame.decode(payload))
        elif kind == wire.FRAME_BEGIN:
            self._frame_begin(wire.FrameBegin.decode(payload))
        elif kind == wire.SLICE:
            self.count["slices"] += 1
            if self.assembler.add(wire.Slice.decode(payload)):
                begin, rows = self.assembler.begin, self.assembler.rows()
                self.assembler, self.order.picture_open = None, False
                self._picture(begin.pts, begin.duration, begin.flags, rows)
        elif kind == wire.PACKET:
            self._packet(wire.Packet.decode(payload))
        else:
            self.count["unknown"] += 1

    def _side_data(self, records: wire.SideData) -> None:
        if records and "side_data.v2" not in self.capabilities:
            breach("5", "A client sends it only to a server that lists `side_data.v2`", f"{len(records)} records")
        self.count["side_data"] += len(records)

    def _frame(self, frame: wire.Frame) -> None:
        """A whole picture, perhaps a repeat (section 5)."""
        self._side_data(frame.side_data)
        ours, config = self.order.ours, self.config
        rows = planes.unpack(frame, config.format, config.width, config.height, int(self.options["wire_compression"]),
                             floor_ok=not ours, padding_ok=not ours, ours=ours)
        if frame.pts == self.last_pts:
            if ours:
                breach("5", "Our client refuses a pts that it has among its last 1024", f"pts {frame.pts} again")
            self.repeats += 1
            if self.repeats > 16:
                breach("5", "Our server takes 16 repeats of a frame; one more, or a pts that still waits and is not "
                       "the last one's, is ERROR 4", f"repeat {self.repeats} of pts {frame.pts}")
            self.count["repeats"] += 1
            self.queue.put(("repeat", frame.pts))
            return
        self._picture(frame.pts, frame.duration, frame.flags, rows)

    def _frame_begin(self, begin: wire.FrameBegin) -> None:
        self._side_data(begin.side_data)
        if begin.pts == self.last_pts:
            breach("9", "The pts of a FRAME_BEGIN is never a repeat: the one before it again is ERROR 4",
                   f"pts {begin.pts}")
        if begin.frame != self.count.get("begun", 0):
            breach("9", "number frames from 0, and send a slice raw",
                   f"frame id {begin.frame}, {self.count.get('begun', 0)} expected")
        self.count["begun"] = self.count.get("begun", 0) + 1
        self.assembler = planes.Assembler(begin, self.config.format, self.config.width, self.config.height,
                                          self.order.ours)

    def _picture(self, pts: int, duration: int, flags: int, rows: planes.Rows) -> None:
        if pts == wire.NO_PTS or self.last_pts is not None and pts <= self.last_pts:
            breach("5", 'pts rise, and none is "none"', f"pts {pts} after {self.last_pts}")
        self.last_pts, self.repeats = pts, 0
        self.count["frames"] += 1
        self._check_window()
        self.queue.put(("frame", pts, duration, bool(flags & 1), planes.digest(rows)))

    def _check_window(self) -> None:
        """What the client has in flight, as seen from here: never more than what it sees itself (section 7)."""
        count = self.count
        unanswered = count["frames"] + count["repeats"] - count["answered"]
        not_taken = count["frames"] - count["taken"]
        count["in_flight"] = max(count["in_flight"], unanswered)
        count["not_taken"] = max(count["not_taken"], not_taken)
        acked = "x.ack.v1" in self.order.agreed
        limit = self.args.expect_window or (128 if self.order.ours else 1 << 30)
        if (not_taken if acked else unanswered) > limit:
            breach("7", "The client bounds the frames that it has sent and not got a PACKET for: its window",
                   f"{unanswered} unanswered, {not_taken} not taken, {limit} expected")
        if acked and unanswered > limit + 512:
            breach("7", "from then on they are at most window + 512",
                   f"{unanswered} unanswered")

    def _packet(self, packet: wire.Packet) -> None:
        self._side_data(packet.side_data)
        h26x.check_annexb(packet.data, self.hello.codec, long_codes=False)
        self.count["packets"] += 1
        self.queue.put(("packet", packet))

    # ---- the codec's thread

    def _sleep(self, milliseconds: float) -> None:
        until = time.monotonic() + milliseconds / 1000
        while not self.ending and time.monotonic() < until:
            time.sleep(min(0.02, max(0.0, until - time.monotonic())))

    def _codec(self) -> None:
        self.answers: dict[int, wire.Packet] = {}
        self.waiting_repeats: dict[int, int] = {}
        self.last_dts: int | None = None
        self.number = self.shown = 0
        self.last_geometry: planes.Geometry | None = None
        while not self.ending:
            try:
                item = self.queue.get(timeout=0.05)
            except queue.Empty:
                continue
            if item[0] == "flush":
                self._drain()
                return
            if item[0] == "repeat":
                self._repeat(item[1])
            elif self._take():
                if item[0] == "frame":
                    for packet in self.encoder.encode(*item[1:4], fake.PREFIX + item[4]):
                        self._answer(packet)
                else:
                    for packet in self.decoder.decode(item[1]):
                        self._show(packet)

    def _drain(self) -> None:
        if self.mode == "encode":
            for packet in self.encoder.flush():
                self._answer(packet)
        else:
            for packet in self.decoder.flush():
                self._show(packet)
        self._sleep(self.args.drain_delay)
        self.outbox.put(wire.DONE)
        self.outbox.finish()
        self.outbox.join(GUARD)
        self.link.end_sending()
        self.ending = "done"

    def _take(self) -> bool:
        """The input's turn: delays, misbehaviour, ACK. False if it is dropped."""
        self.number += 1
        args = self.args
        if self.number in (args.bare_close_at, args.error_at):
            self.sabotage = "bare" if self.number == args.bare_close_at else "error"
            if self.sabotage == "error":
                self.outbox.put(wire.ERROR, wire.Error(2, "the codec failed, on purpose").encode())
            self.outbox.finish()
            self.ending = self.sabotage
            return False
        if self.number == args.stall_at:
            self._sleep(args.stall)
        self._sleep(args.codec_delay)
        self.count["taken"] += 1
        if "x.ack.v1" in self.order.agreed and self.number % args.ack_every == 0:
            self.outbox.put_ack(wire.Ack(self.count["taken"], 100).encode())
        if self.number == args.drop:
            self.sabotage = "drop"
            return False
        return True

    def _answer(self, packet: wire.Packet) -> None:
        """One PACKET, and what is due for repeats of its frame."""
        if self.args.zero_durations:
            packet.duration = 0
        every = self.args.repeat_dts
        if every and self.last_dts is not None and (self.count["answered"] + 1) % every == 0:
            packet.dts = self.last_dts
        self.last_dts = packet.dts
        self.answers = dict(list(self.answers.items())[-63:]) | {packet.pts: packet}
        self._put(wire.PACKET, packet.encode())
        for _ in range(self.waiting_repeats.pop(packet.pts, 0)):
            self._repeat(packet.pts)

    def _repeat(self, pts: int) -> None:
        """Answers a repeat (section 5) by an empty PACKET, once the real one is out."""
        packet = self.answers.get(pts)
        if packet is None:
            self.waiting_repeats[pts] = self.waiting_repeats.get(pts, 0) + 1
        elif not self.args.ignore_repeats:
            self._put(wire.PACKET, wire.Packet(pts, self.last_dts, packet.duration, 0, b"").encode())

    def _put(self, kind: int, payload: bytes) -> None:
        self.count["answered"] += 1
        self.outbox.put(kind, payload)

    def _show(self, packet: wire.Packet) -> None:
        """One decoded picture, as FRAME or in slices."""
        self.shown += 1
        width, height, fmt = self.config.width, self.config.height, self.out_format
        geometry = "x.geometry.v1" in self.order.agreed
        if geometry and self.args.resize_at and self.shown >= self.args.resize_at:
            width, height = max(1, width // 2), max(1, height // 2)
        shape = planes.layout(fmt, width, height, self.args.floor_chroma)
        rows = planes.picture(fmt, width, height, fake.seed(packet.data), self.args.floor_chroma)
        how = int(self.options["wire_compression"])
        if "x.slices.v1" not in self.order.agreed or self.args.plain_frames and not geometry:
            frame = wire.Frame(packet.pts, packet.duration, 0, planes.pack(rows, shape, how, self.args.stride_pad))
            self._put(wire.FRAME, frame.encode())
            return
        side_data: wire.SideData = []
        record = planes.Geometry(width, height, fmt)
        if geometry and record != self.last_geometry:
            side_data, self.last_geometry = [(planes.GEOMETRY_TYPE, record.encode())], record
        pieces = planes.cut(rows, shape, how, self.shown - 1, self.args.strip)
        begin = wire.FrameBegin(packet.pts, packet.duration, 0, len(shape), how, self.shown - 1, len(pieces),
                                side_data=side_data)
        self.outbox.put(wire.FRAME_BEGIN, begin.encode())
        for piece in pieces[:-1]:
            self.outbox.put(wire.SLICE, piece.encode())
        self._put(wire.SLICE, pieces[-1].encode())

    def summary(self) -> dict:
        """For the line that the server prints."""
        out: dict[str, object] = {"ok": not self.problems}
        if self.config:
            out |= {"mode": self.order.mode, "codec": self.hello.codec, "client": self.hello.client,
                    "width": self.config.width, "height": self.config.height, "format": self.config.format,
                    "ours": self.order.ours, "agreed": sorted(self.order.agreed), "flushes": self.order.flushes}
        if self.outbox:
            out["pings_sent"] = self.outbox.pings
        return out | self.count


def serve(args: argparse.Namespace) -> int:
    """Listens, serves `args.sessions` sessions, says what was wrong with them."""
    listener = socket.create_server((args.bind, args.port))
    listener.settimeout(0.05)
    print(f"listening on {args.bind}:{listener.getsockname()[1]}", flush=True)
    running: list[Session] = []
    finished = failures = 0
    deadline = time.monotonic() + args.lifetime
    while finished < args.sessions and (running or time.monotonic() < deadline):
        try:
            sock, _ = listener.accept()
            session = Session(sock, args, 1 + sum(not s.ending for s in running))
            session.start()
            running.append(session)
        except TimeoutError:
            pass
        for session in [s for s in running if not s.is_alive()]:
            running.remove(session)
            if not session.counted and not session.problems:
                continue  # "port checks do that" (section 1)
            finished += 1
            failures += bool(session.problems)
            for problem in session.problems:
                print(f"violation: session {finished}: {problem}", flush=True)
            print(f"session {finished}: {json.dumps(session.summary())}", flush=True)
    listener.close()
    if finished < args.sessions:
        print(f"violation: {finished} of {args.sessions} sessions came within {args.lifetime:g} s", flush=True)
    return int(failures > 0 or finished < args.sessions)
