"""The client that encodes: frames up, packets down."""
from __future__ import annotations

import argparse
import hashlib
import time

import fake
import h26x
import planes
import wire
from options import GLOBAL_HEADER
from session import ADMITTED, LOST_AFTER, Session
from wire import breach


class EncodeSession(Session):
    """Frames up, packets down."""

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__(args, "encode")
        self.fmt = planes.FORMATS[args.format]
        self.global_header = args.global_header
        self.waiting_frames: dict[int, list[int]] = {}  # pts: index, duration, later ones answered
        self.repeat_due: dict[int, int] = {}
        self.digests: dict[int, str] = {}
        self.out: list[dict] = []
        self.empty = 0
        self.last_dts: int | None = None
        self.data_hash = hashlib.sha256()
        self.dump = open(args.dump, "wb") if args.dump else None

    def options(self) -> list[tuple[str, str]]:
        args = self.args
        out = [("wire_compression", str(args.compression))] if args.compression else []
        if args.gop:
            out.append(("gop", str(args.gop)))
        if args.bitrate:
            out.append(("bitrate", str(args.bitrate)))
        if args.global_header:
            out.append(("flags", str(GLOBAL_HEADER)))
        return out + [tuple(entry.partition("=")[::2]) for entry in args.option]

    def run(self) -> None:
        """The whole session."""
        args = self.args
        self.connect()
        self.handshake(self.fmt, self.options(), b"")
        self.start()
        shape = planes.layout(self.fmt, args.width, args.height, args.floor_chroma)
        for index in range(args.frames):
            self.leave(index)
            if not self._admit():
                if self.ended:
                    break
                self.dropped += 1  # an early client drops the frame without a word (section 7)
                continue
            self._send_frame(index, shape)
            self.pause(args.sleep)
            if self.ended:
                break
        if not self.ended:
            self.flush()

    def _used(self) -> int:
        """What counts against the window (section 7)."""
        if "x.ack.v1" in self.order.agreed:
            return self.sent - self.taken
        return self.sent + self.repeats - self.answered

    def _admit(self) -> bool:
        """Waits for room in the window as the generation does."""
        window = self.args.window
        if "x.ack.v1" in self.order.agreed:
            return self.wait(lambda: self._used() < window and self.sent - self.answered < window + 512)
        if self.args.generation == "early":
            return self.wait(lambda: self._used() < window, self.timeout)
        if self.args.generation == "current":
            return self.wait(lambda: self._used() < window)
        return self.wait(lambda: self._used() < window or self._used() < ADMITTED and
                         time.monotonic() - max(self.link.last_received, self.link.last_sent) > 0.1)

    def _send_frame(self, index: int, shape: list[tuple[int, int]]) -> None:
        args = self.args
        pts = args.first_pts + index * args.duration
        key = int(bool(args.key_every) and index % args.key_every == 0)
        rows = planes.picture(self.fmt, args.width, args.height, fake.frame_seed(index), args.floor_chroma)
        with self.condition:
            self.waiting_frames[pts] = [index, args.duration, 0]
            self.digests[pts] = planes.digest(rows)
            self.sent += 1
            fills = self._used() >= args.window
        if "x.slices.v1" in self.order.agreed and not args.plain_frames:
            pieces = planes.cut(rows, shape, args.compression, self.sent - 1, args.strip)
            begin = wire.FrameBegin(pts, args.duration, key, len(shape), args.compression, self.sent - 1, len(pieces))
            self.link.send(wire.FRAME_BEGIN, begin.encode())
            for piece in pieces:
                self.link.send(wire.SLICE, piece.encode())
            return
        packed = planes.pack(rows, shape, args.compression, args.stride_pad)
        payload = wire.Frame(pts, args.duration, key, packed).encode(args.zero_side_data)
        self.link.send(wire.FRAME, payload)
        if args.repeat_frame and fills:
            with self.condition:
                self.repeats += 1
                self.repeat_due[pts] = self.repeat_due.get(pts, 0) + 1
            self.link.send(wire.FRAME, payload)

    def nothing_waits(self) -> bool:
        return not self.order.flushed and self.sent + self.repeats <= self.answered

    def packet(self, packet: wire.Packet) -> None:
        self._side_data(packet.side_data)
        self.received += 1
        if not packet.data:
            self._empty(packet)
            return
        if packet.pts not in self.waiting_frames:
            breach("6", "Every pts comes back exactly once, as it was sent", f"pts {packet.pts} does not wait")
        index, duration, _ = self.waiting_frames.pop(packet.pts)
        self.answered += 1
        generation = self.hello_ack.generation
        if packet.duration != duration and not (generation == "early" and packet.duration == 0):
            breach("6", "as it was sent, with its frame's duration", f"pts {packet.pts}: {packet.duration}, {duration}")
        low = self.last_dts
        if low is not None and (packet.dts < low or packet.dts == low and generation != "early") \
                or packet.dts > packet.pts:
            breach("6", "dts strictly rises and is at most pts", f"pts {packet.pts}, dts {packet.dts} after {low}")
        self.last_dts = packet.dts
        self._check_data(packet, generation)
        self._check_lost(index)
        self.data_hash.update(packet.data)
        if self.dump:
            self.dump.write(packet.data)
        if self.args.expect_mock and h26x.find_text(packet.data) != fake.PREFIX + self.digests[packet.pts]:
            self.problems.append(f"frame {index}, pts {packet.pts}: the server saw other pixels")
        self.out.append({"pts": packet.pts, "dts": packet.dts, "duration": packet.duration, "key": packet.key,
                         "sha256": hashlib.sha256(packet.data).hexdigest()})

    def _side_data(self, records: wire.SideData) -> None:
        if records and "side_data.v2" not in self.hello_ack.capabilities:
            self.problems.append('section 3: "`side_data.v2` and `packet_ack.v1` only if it really does them" -- '
                                 f"{len(records)} records of side data, and it is not listed")

    def _check_data(self, packet: wire.Packet, generation: str) -> None:
        units = h26x.check_annexb(packet.data, self.args.codec, long_codes=generation == "ours")
        codec = self.args.codec
        sets = {h26x.kind(unit, codec) for unit in units} & set(h26x.set_kinds(codec))
        if self.global_header and sets and generation == "ours":
            breach("6", "unless GLOBAL_HEADER is among the flags; then they are in CONFIGURE_ACK only",
                   f"pts {packet.pts} has NAL units {sorted(sets)}")
        if packet.key and not self.global_header and sets != set(h26x.set_kinds(codec)) and generation == "ours":
            breach("6", "parameter sets stand before every keyframe, unless GLOBAL_HEADER is among the flags",
                   f"pts {packet.pts} has only {sorted(sets)}")

    def _check_lost(self, index: int) -> None:
        """Frame `index` is answered: earlier ones that still wait are one step nearer to being lost (section 7)."""
        for pts, entry in self.waiting_frames.items():
            entry[2] += entry[0] < index
            if entry[2] > LOST_AFTER:
                breach("7", "Our client also gives a frame up as lost, at once, when more than 80 later ones have been "
                       "answered", f"pts {pts}")

    def _empty(self, packet: wire.Packet) -> None:
        """The answer to a repeat (section 5)."""
        self.empty += 1
        pts = packet.pts
        if pts in self.waiting_frames and not self.repeat_due.get(pts):
            breach("6", "An empty PACKET for a frame that waits is the loss of that frame: failure", f"pts {pts}")
        if not self.repeat_due.get(pts):
            breach("5", "A FRAME whose pts is that of the FRAME just before it, and not \"none\", is such a repeat",
                   f"an empty PACKET for pts {pts}, which was not repeated")
        if self.last_dts is None or pts in self.waiting_frames and self.hello_ack.generation != "ours":
            breach("5", "once the PACKET of that pts has gone, the server sends one more PACKET",
                   f"an empty PACKET for pts {pts}, which still waits")
        self.repeat_due[pts] -= 1
        self.answered += 1
        durations = (self.args.duration, 0) if self.hello_ack.generation == "early" else (self.args.duration,)
        if (packet.dts, packet.flags, packet.side_data) != (self.last_dts, 0, []) or packet.duration not in durations:
            breach("5", "this pts and duration, with the dts of the PACKET just before, flags 0, no data and no side data",
                   f"pts {pts}, dts {packet.dts} after {self.last_dts}, duration {packet.duration}, flags {packet.flags}")

    def done(self) -> None:
        if self.waiting_frames or any(self.repeat_due.values()):
            breach("7", "exactly one PACKET per FRAME before DONE, repeats included",
                   f"{len(self.waiting_frames)} frames and {sum(self.repeat_due.values())} repeats unanswered, "
                   f"pts {list(self.waiting_frames)[:8]}")
        if "x.ack.v1" in self.order.agreed and self.taken != self.sent:
            breach("9", "one ACK for each taken input, or one for several if earlier ones still wait to be written",
                   f"{self.taken} taken of {self.sent} at DONE")
        super().done()

    def describe(self) -> dict:
        columns = {column: [entry[column] for entry in self.out] for column in ("pts", "dts", "duration")}
        return super().describe() | {
            "packets": len(self.out), "empty": self.empty, "keyframes": [e["pts"] for e in self.out if e["key"]],
            **columns, "packet_sha256": [entry["sha256"] for entry in self.out],
            "frame_sha256": list(self.digests.values()), "data_sha256": self.data_hash.hexdigest()}
