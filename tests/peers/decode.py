"""The client that decodes: packets up, frames down."""
from __future__ import annotations

import argparse
import hashlib
import time

import fake
import h26x
import planes
import wire
from session import ADMITTED, AFTER_FLUSH, Session
from wire import breach


class DecodeSession(Session):
    """Packets up, frames down."""

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__(args, "decode")
        self.fmt = planes.FORMATS[args.format]
        self.units = self._units()
        self.by_pts: dict[int, list[bytes]] = {}
        self.out: list[dict] = []
        self.begin: wire.FrameBegin | None = None
        self.pictures = hashlib.sha256()
        self.last_pts: int | None = None
        self.dump = open(args.dump, "wb") if args.dump else None

    def _units(self) -> list[wire.Packet]:
        """The stream: a file cut into access units, or the fake encoder's."""
        args = self.args
        if args.file:
            with open(args.file, "rb") as stream:
                pieces = h26x.access_units(stream.read(), args.codec)
            packets = [wire.Packet(i, i, 1, int(any(h26x.is_key(u, args.codec) for _, _, u in h26x.split(data))), data)
                       for i, data in enumerate(pieces)][:args.frames or None]
        else:
            coder = fake.Encoder(args.codec, args.width, args.height, self.fmt, args.gop or 30, args.stream_reorder)
            packets = []
            for i in range(args.frames or 30):
                packets += coder.encode(args.first_pts + i * args.duration, args.duration, False, f"synthetic {i}")
            packets += coder.flush()
        for packet in packets:
            if args.pts == "zero":
                packet.pts = packet.dts = packet.duration = 0
            elif args.pts == "same":
                packet.dts = packet.pts
        return packets

    def extradata(self) -> bytes:
        """Parameter sets of the stream's first packet, in the form asked for (section 4)."""
        args = self.args
        if args.extradata == "none" or not self.units:
            return b""
        units = [unit for _, _, unit in h26x.split(self.units[0].data)]
        sets = [unit for unit in units if h26x.kind(unit, args.codec) in h26x.set_kinds(args.codec)]
        if args.extradata == "annexb":
            return h26x.join(sets)
        fmt = h26x.Format(args.width, args.height, 10 if self.fmt == 2 else 8)
        if args.codec == "h264":
            record = h26x.avcc(sets[:2], fmt)
        else:
            record = h26x.hvcc(sets[:3], fmt)
        if args.extradata == "box":
            record = (len(record) + 8).to_bytes(4, "big") + (b"avcC" if args.codec == "h264" else b"hvcC") + record
        return record

    def options(self) -> list[tuple[str, str]]:
        args = self.args
        out = [("mode", "decode")]
        if args.generation != "early":
            out.append(("decode_async", "1"))
        if args.compression:
            out.append(("wire_compression", str(args.compression)))
        return out + [tuple(entry.partition("=")[::2]) for entry in args.option]

    def probe(self) -> None:
        """The session that early clients open for HEVC only to probe: P010, and no FLUSH (section 4)."""
        self.connect()
        self.handshake(2, self.options(), self.extradata())
        self.close()

    def run(self) -> None:
        args = self.args
        self.connect()
        self.handshake(self.fmt, self.options(), self.extradata())
        self.start()
        for index, packet in enumerate(self.units):
            self.leave(index)
            if not self._admit():
                break
            with self.condition:
                self.sent += 1
                self.by_pts.setdefault(packet.pts, []).append(packet.data)
                before = self.answered
            self.link.send(wire.PACKET, packet.encode())
            if args.wait_for_frame:
                self.wait(lambda: self.answered > before, args.frame_timeout)
            self.pause(args.sleep)
            if self.ended:
                break
        if not self.ended:
            self.flush()

    def _admit(self) -> bool:
        """Room for one more; a decoder may need more than the window before its first picture."""
        window = self.args.window
        used = self.sent - self.answered
        if "x.ack.v1" in self.order.agreed:
            return self.wait(lambda: self.sent - self.taken < window)
        return self.wait(lambda: self.sent - self.answered < window or time.monotonic() - max(
            self.link.last_received, self.link.last_sent) > 0.1, None if used < ADMITTED else AFTER_FLUSH)

    def nothing_waits(self) -> bool:
        return not self.order.flushed and not self.sent

    def frame(self, frame: wire.Frame) -> None:
        if "x.geometry.v1" in self.order.agreed:
            breach("9", "A server that has agreed sends every picture as FRAME_BEGIN and SLICEs", "a FRAME")
        if frame.flags:
            breach("5", "flags: bit 0 asks for a keyframe (encode); 0 in decode", f"flags {frame.flags}")
        self._side_data(frame.side_data)
        generation = self.hello_ack.generation
        floor = generation == "early" and len(frame.planes) > 1 and frame.planes[1].height == self.config.height // 2
        rows = planes.unpack(frame, self.ack.format, self.config.width, self.config.height, self.args.compression,
                             floor_ok=generation == "early", ours=generation == "ours")
        self._shown(frame.pts, frame.duration, rows, (self.ack.format, self.config.width, self.config.height, floor))

    def _side_data(self, records: wire.SideData) -> None:
        if records and "side_data.v2" not in self.hello_ack.capabilities:
            self.problems.append('section 3: "`side_data.v2` and `packet_ack.v1` only if it really does them" -- '
                                 f"{len(records)} records of side data, and it is not listed")

    def frame_begin(self, begin: wire.FrameBegin) -> None:
        if begin.flags:
            breach("5", "flags: bit 0 asks for a keyframe (encode); 0 in decode", f"flags {begin.flags}")
        records = [data for kind, data in begin.side_data if kind == planes.GEOMETRY_TYPE]
        self._side_data([entry for entry in begin.side_data if entry[0] != planes.GEOMETRY_TYPE])
        shape = (self.ack.format, self.config.width, self.config.height)
        if "x.geometry.v1" in self.order.agreed:
            if len(records) > 1 or records and begin.side_data[0][0] != planes.GEOMETRY_TYPE:
                breach("9", "It is the first of the records, and there is one at most",
                       f"types {[kind for kind, _ in begin.side_data]}")
            if records:
                self.geometry = planes.Geometry.decode(records[0])
                if self.geometry.format > 2 and self.geometry.format != self.config.format:
                    breach("9", "another one only if CONFIGURE names it", f"format {self.geometry.format}")
            if self.geometry is None:
                breach("9", "The first picture of a session carries a record", "no record")
            shape = (self.geometry.format, self.geometry.width, self.geometry.height)
        elif records:
            breach("9",
                   "In a session without this extension, and from a client, such a record in a FRAME_BEGIN is a breach",
                   "a geometry record")
        self.shape = shape
        self.assembler = planes.Assembler(begin, *shape, ours=False)

    def slice(self, piece: wire.Slice) -> None:
        if self.assembler.add(piece):
            begin, rows = self.assembler.begin, self.assembler.rows()
            self.assembler, self.order.picture_open = None, False
            self._shown(begin.pts, begin.duration, rows, (*self.shape, False))

    def _shown(self, pts: int, duration: int, rows: planes.Rows, shape: tuple[int, int, int, bool]) -> None:
        self.answered += 1
        if pts not in self.by_pts:
            breach("4", "times are then opaque numbers that come back unchanged", f"a FRAME of pts {pts}, never sent")
        ordered = self.hello_ack.generation != "early" and not self.args.file
        if ordered and self.last_pts is not None and pts < self.last_pts:
            breach("7", "Other servers send FRAMEs in the order of showing", f"pts {pts} after {self.last_pts}")
        self.last_pts = pts
        digest = planes.digest(rows)
        self.pictures.update(bytes.fromhex(digest))
        if self.dump:
            for plane in rows:
                self.dump.write(plane)
        if self.args.expect_mock:
            fmt, width, height, floor = shape
            wanted = {planes.digest(planes.picture(fmt, width, height, fake.seed(data), floor))
                      for data in self.by_pts[pts]}
            if digest not in wanted:
                self.problems.append(f"pts {pts}: other pixels than the formula gives")
        self.out.append({"pts": pts, "duration": duration, "sha256": digest, "size": [*shape[1:3], shape[0]]})

    def describe(self) -> dict:
        columns = {column: [entry[column] for entry in self.out] for column in ("pts", "duration", "size")}
        return super().describe() | {"frames": len(self.out), **columns,
                                     "packet_dts": [packet.dts for packet in self.units],
                                     "packet_sha256": [hashlib.sha256(p.data).hexdigest() for p in self.units],
                                     "frame_sha256": [entry["sha256"] for entry in self.out],
                                     "frames_sha256": self.pictures.hexdigest()}
