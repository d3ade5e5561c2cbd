#!/usr/bin/python3
"""Tests of the peers: golden bytes, each end against the other, and every strictness rule."""
from __future__ import annotations

import ast
import concurrent.futures
import json
import multiprocessing
import os
import re
import socket
import struct
import sys
import threading
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import client  # noqa: E402
import fake  # noqa: E402
import h26x  # noqa: E402
import planes  # noqa: E402
import server  # noqa: E402
import vtr1  # noqa: E402
import wire  # noqa: E402
from options import Options  # noqa: E402
from order import ClientOrder, ServerOrder  # noqa: E402
from wire import Violation  # noqa: E402

TIMEOUT = 60


def unhex(text: str) -> bytes:
    return bytes.fromhex("".join(text.split()))


# ---- section 10 --------------------------------------------------------------------------------------------------

GOLDEN: dict[str, tuple[object, str]] = {
    "HELLO": (wire.Hello("TOKEN", "h264", "ffmpeg-client", "build123"), """
        0005544f4b454e 000468323634 000d66666d7065672d636c69656e74 00086275696c64313233"""),
    "HELLO_ACK": (wire.HelloAck(0, "", "", ["h264", "hevc"], 4, 1), "00 0000 0000 02 000468323634 000468657663 0004 0001"),
    "CONFIGURE": (wire.Configure(1920, 1080, 1, (1, 30), (30, 1), [("bitrate", "2000000"), ("gop", "60")]), """
        00000780 00000438 01 00000001 0000001e 0000001e 00000001 0002
        0007 62697472617465 0007 32303030303030 0003 676f70 0002 3630 00000000"""),
    "CONFIGURE_ACK": (wire.ConfigureAck(b"\1\x64\0", 2, ["ok"]), "00 0003 016400 02 01 0002 6f6b"),
    "PACKET": (wire.Packet(11, 10, 3, 1, b"\0\0\1", [(42, b"\7\x08\x09"), (7, b"\x0a\x0b")]), """
        000000000000000b 000000000000000a 0000000000000003 00000001 00000003 000001
        02 0000002a 00000003 070809 00000007 00000002 0a0b"""),
    "ERROR": (wire.Error(2, "busy"), "00000002 0004 62757379"),
    "ACK": (wire.Ack(5, 300), "00000005 0000012c"),
    "FRAME_BEGIN": (wire.FrameBegin(wire.NO_PTS, 1, 1, 2, 2, 9, 12, tables=b"\xab\xcd", side_data=[(3, b"\x7f")]), """
        8000000000000000 0000000000000001 00000001 02
        02 00000009 ffffffff 000c 00000002 abcd 01 00000003 00000001 7f"""),
    "SLICE": (wire.Slice(9, 3, 1, 0, 16, 32, b"\1\2\3"), "00000009 0003 01 00 00000010 00000020 010203"),
}
GOLDEN_FRAME = unhex("""0000000000000007 0000000000000001 00000001 01
    00000004 00000004 0000000a 16110100501111111111 00""")
SMALL_FRAME = unhex("""56545231 0001 0005 00000033 0000000000000000 0000000000000001 00000001 02
    00000002 00000002 00000004 10203040 00000002 00000001 00000002 8080""")


class Golden(unittest.TestCase):
    """The payloads of section 10, both directions."""

    def test_payloads(self) -> None:
        for title, (value, text) in GOLDEN.items():
            with self.subTest(title):
                self.assertEqual(value.encode(), unhex(text))
                self.assertEqual(type(value).decode(unhex(text)), value)

    def test_frames(self) -> None:
        frame = wire.Frame.decode(GOLDEN_FRAME)
        self.assertEqual(frame.encode(zero_side_data=True), GOLDEN_FRAME)
        self.assertEqual(planes.decompress(frame.planes[0].data, 1, 16), b"\x11" * 16)
        self.assertEqual(wire.parse_header(SMALL_FRAME[:12]), (wire.FRAME, 51))
        frame = wire.Frame.decode(SMALL_FRAME[12:])
        self.assertEqual(planes.unpack(frame, 1, 2, 2, 0), [b"\x10\x20\x30\x40", b"\x80\x80"])
        self.assertEqual(wire.message(wire.FRAME, frame.encode()), SMALL_FRAME)

    def test_refused(self) -> None:
        head = "000000000000000b 000000000000000a 0000000000000003 00000001"
        for tail in ("00000004 000001", "00000003 000001 01 0000002a 00000004 0708"):
            with self.assertRaisesRegex(Violation, "goes beyond its payload"):
                wire.Packet.decode(unhex(head + tail))

    def test_empty_messages(self) -> None:
        for kind, text in ((7, "0007"), (8, "0008"), (10, "000a"), (11, "000b")):
            self.assertEqual(wire.message(kind), unhex(f"56545231 0001 {text} 00000000"))

    def test_hello_ack_without_numbers_and_avcc(self) -> None:
        ack = wire.HelloAck.decode(unhex("00 0000 0000 00 0004"))
        self.assertEqual((ack.max_sessions, ack.sessions), (4, None))
        self.assertEqual(len(h26x.parse_avcc(unhex("0164001fffe100046764001f01000468ee3c80"))), 2)


class Quotes(unittest.TestCase):
    """Every rule that a Violation quotes stands on the page."""

    def test_page_says_so(self) -> None:
        pages = [folder / name for folder in (HERE.parent, *HERE.parents)
                 for name in ("protocol.md", "docs/protocol.md") if (folder / name).is_file()]
        if not pages:
            self.skipTest("the protocol page is not near")
        plain = lambda text: " ".join(re.sub(r"[`*|]", " ", text).split()).lower()  # noqa: E731
        parts = re.split(r"^## (\d+)\..*$", pages[0].read_text(), flags=re.M)
        sections = {"notation": plain(parts[0])} | {n: plain(t) for n, t in zip(parts[1::2], parts[2::2])}
        count = 0
        for path in sorted(HERE.glob("*.py")):
            text = path.read_text()
            for call in ast.walk(ast.parse(text)):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("breach", "Violation") \
                        and len(call.args) >= 3 and all(isinstance(a, ast.Constant) for a in call.args[:2]):
                    section, rule = (a.value for a in call.args[:2])
                    count += 1
                    with self.subTest(file=path.name, rule=rule):
                        self.assertIn(plain(rule), sections[section])
            for section, rule in re.findall(r"'section (\d+): \"(.+?)\" -- ", text):
                with self.subTest(file=path.name, rule=rule):
                    self.assertIn(plain(rule), sections[section])
        self.assertGreater(count, 80)


# ---- strictness, message by message ------------------------------------------------------------------------------

def packet(**changes: object) -> wire.Packet:
    return wire.Packet(**{"pts": 1, "dts": 1, "duration": 1, "flags": 0, "data": b"\0\0\0\1\x65\x88"} | changes)


def side(count: int, size: int) -> bytes:
    return bytes([count]) + (struct.pack(">II", 1, size) + bytes(size)) * count


class Strict(unittest.TestCase):
    """What all strictness tests need."""

    def rejects(self, section: str, call: object, *args: object, **named: object) -> None:
        with self.assertRaises(Violation) as caught:
            call(*args, **named)
        self.assertEqual(caught.exception.section, section)
        self.assertIn(f"section {section}", str(caught.exception))


class StrictBytes(Strict):
    """Malformed payloads raise, and name the section."""

    def test_header(self) -> None:
        for data in (b"GET / HTTP/1", b"\x16\3\1", b"VTR1\0\2", b"VTR1\0\1\0\5\0"):
            self.rejects("2", wire.parse_header, data)
        wire.check_start(b"VTR")
        self.rejects("2", wire.check_start, b"VTX")

    def test_truncated_everywhere(self) -> None:
        for title, (value, text) in GOLDEN.items():
            data = unhex(text)
            ends = {"HELLO_ACK": (len(data) - 2, len(data) - 4), "PACKET": (len(data) - 22,), "SLICE": range(16, 99),
                    "CONFIGURE": (25, len(data) - 4), "FRAME_BEGIN": (len(data) - 10,), "ERROR": range(99)}
            for size in range(len(data)):
                if size in ends.get(title, ()):
                    continue
                with self.subTest(title, size=size), self.assertRaises(Violation):
                    type(value).decode(data[:size])

    def test_text(self) -> None:
        self.rejects("notation", wire.Hello.decode, unhex("0001ff 0004 68323634 0000 0000"))
        self.rejects("notation", wire.Hello.decode, unhex("000100 0004 68323634 0000 0000"))
        self.rejects("3", wire.Hello.decode, wire.Hello(codec="av1").encode())
        self.assertEqual(wire.Hello.decode(wire.Hello().encode() + b"more").codec, "h264")

    def test_acks(self) -> None:
        self.rejects("3", wire.HelloAck.decode, wire.HelloAck(status=5).encode())
        self.rejects("4", wire.ConfigureAck.decode, wire.ConfigureAck(status=1).encode())
        self.rejects("4", wire.ConfigureAck.decode, wire.ConfigureAck(warnings=["two\nlines"]).encode())
        self.rejects("9", wire.Ack.decode, bytes(9))

    def test_side_data(self) -> None:
        base = packet().encode()
        self.assertEqual(wire.Packet.decode(base + b"\0").side_data, [])
        self.rejects("5", wire.Packet.decode, base + b"\0\0")
        self.rejects("5", wire.Packet.decode, base + side(17, 1))
        self.rejects("5", wire.Packet.decode, base + side(2, (1 << 19) + 1))
        self.assertEqual(len(wire.Packet.decode(base + side(16, 1 << 16)).side_data), 16)

    def test_fields(self) -> None:
        self.rejects("6", wire.Packet.decode, packet(flags=2).encode())
        self.rejects("5", wire.Frame.decode, wire.Frame(0, 0, 4, []).encode())
        self.rejects("8", wire.Frame.decode, wire.Frame(0, 0, 0, [wire.Plane(1, 1, b"x")] * 5).encode())
        begin = {"pts": 0, "duration": 1, "flags": 0, "planes": 2, "codec": 0, "frame": 0, "slices": 2}
        for changes in ({"codec": 3}, {"slices": 0}, {"slices": 257}):
            self.rejects("9", wire.FrameBegin.decode, wire.FrameBegin(**begin | changes).encode())
        for changes in ({"tables": b"x"}, {"reference": 1}):
            self.rejects("9", wire.FrameBegin(**begin | changes).check_session)
        self.rejects("9", wire.Slice.decode, wire.Slice(0, 0, 0, 2, 0, 1, b"x").encode())
        self.rejects("9", wire.Slice.decode, wire.Slice(0, 0, 0, 0, 0, 0, b"x").encode())
        self.rejects("9", wire.Slice.decode, wire.Slice(0, 0, 0, 0, 0xFFFFFFFF, 1, b"x").encode())

    def test_errors(self) -> None:
        self.assertEqual(wire.Error.decode(b"\0\0\0\2no length").text, "no length")
        self.assertEqual(wire.Error.decode(b"xy"), wire.Error(0, "xy"))
        self.assertEqual(wire.Error.decode(b"\0\0\0\1\0\3a\nb"), wire.Error(1, "a b"))
        for bad in (b"\0\0\0\2no length", wire.Error(1, "a\nb").encode(), wire.Error(1, "x" * 4097).encode(),
                    wire.Error(8, "x").encode(), wire.Error(1, "x").encode() + b"y"):
            with self.assertRaises(Violation):
                wire.Error.strict(bad)
        for kind in (wire.FLUSH, wire.DONE, wire.PACKET_ACK):
            self.rejects("2", wire.check_empty, kind, b"x")
        self.rejects("2", wire.check_ping, b"x")
        self.assertEqual(wire.expected_pong(b"abc"), (b"", b"abc"))
        self.assertEqual(wire.expected_pong(b"a" * 65), (b"",))

    def test_options(self) -> None:
        for key, value in (("mode", "x"), ("wire_compression", "3"), ("bitrate", "-1"), ("gop", "0x10"),
                           ("level", "20"), ("realtime", "2"), ("alpha_quality", "1.5"), ("content_light", "12"),
                           ("color_range", "65536"), ("flags", "4294967296"), ("qmin", " 1"), ("scale_mode", "?")):
            with self.subTest(key):
                self.rejects("4", Options, [(key, value)])
        options = Options([("flags", "-2147483648"), ("gop", "1"), ("gop", "2"), ("new", "?"), ("qmin", "-1")])
        self.assertEqual((options["flags"], options["gop"], options.unknown, options.plain),
                         (1 << 31, 2, ["new"], ["qmin"]))
        self.assertEqual(Options([("x.ack.v1", "1")]).asked(), {"x.ack.v1"})


class StrictPictures(Strict):
    """Planes, compression, slices, geometry, Annex B."""

    def frame(self, *shape: tuple[int, int], how: int = 0) -> wire.Frame:
        return wire.Frame(0, 1, 0, [wire.Plane(stride, rows, planes.compress(bytes(stride * rows), how))
                                    for stride, rows in shape])

    def test_planes(self) -> None:
        good = self.frame((6, 5), (6, 3))
        planes.unpack(good, 1, 5, 5, 0)
        for bad in (self.frame((6, 5)), self.frame((4, 5), (6, 3)), self.frame((6, 5), (6, 2)),
                    self.frame((6 + 32768, 5), (6, 3)), self.frame((6, 6), (6, 3))):
            self.rejects("5", planes.unpack, bad, 1, 5, 5, 0)
        planes.unpack(self.frame((5, 5), (6, 2)), 1, 5, 5, 0, floor_ok=True)
        self.rejects("5", planes.unpack, good, 1, 5, 5, 0, padding_ok=False)
        for how in (1, 2):
            planes.unpack(self.frame((5, 5), (6, 3), how=how), 1, 5, 5, how)

    def test_compression(self) -> None:
        import zstandard
        raw = bytes(range(256)) * 4
        zstd, lz4 = planes.compress(raw, 2), planes.compress(raw, 1)
        self.assertEqual(planes.decompress(zstd, 2, 1024, True), raw)
        self.assertEqual(planes.decompress(lz4, 1, 1024), raw)
        unsized = zstandard.ZstdCompressor(write_content_size=False).compress(raw)
        self.assertEqual(planes.decompress(unsized, 2, 1024), raw)
        self.rejects("5", planes.decompress, unsized, 2, 1024, True)
        for data, how, size in ((zstd, 2, 1023), (zstd, 2, 1025), (zstd + zstd, 2, 1024), (zstd + b"x", 2, 1024),
                                (zstd[:-1], 2, 1024), (b"", 2, 1024), (unsized, 2, 1000), (lz4, 1, 1023),
                                (lz4, 1, 1025), (lz4[:-1], 1, 1024), (b"", 1, 1024), (raw * 3, 1, 1024),
                                (raw, 0, 1023), (b"\x50\x2a\x4d\x18\0\0\0\0", 2, 0)):
            self.rejects("5", planes.decompress, data, how, size)

    def test_pictures_and_padding(self) -> None:
        for fmt in planes.FORMAT_NAMES:
            for how in (0, 1, 2):
                rows = planes.picture(fmt, 35, 67, b"seed")
                shape = planes.layout(fmt, 35, 67)
                self.assertEqual([len(plane) for plane in rows], [row * count for row, count in shape])
                packed = planes.pack(rows, shape, how, padding=3)
                self.assertEqual(planes.unpack(wire.Frame(0, 0, 0, packed), fmt, 35, 67, how, ours=True), rows)
        self.assertFalse(any(byte & 0x3F for byte in planes.picture(2, 64, 64, b"x")[0][::2]))

    def test_slices(self) -> None:
        rows, shape = planes.picture(1, 64, 48, b"s"), planes.layout(1, 64, 48)
        pieces = planes.cut(rows, shape, 1, 7, strip=16)
        begin = wire.FrameBegin(0, 1, 0, 2, 1, 7, len(pieces))
        whole = planes.Assembler(begin, 1, 64, 48, ours=True)
        self.assertEqual([whole.add(piece) for piece in reversed(pieces)], [False] * 4 + [True])
        self.assertEqual(whole.rows(), rows)
        self.rejects("9", planes.Assembler, wire.FrameBegin(0, 1, 0, 1, 1, 7, 5), 1, 64, 48)
        self.rejects("9", planes.Assembler, wire.FrameBegin(0, 1, 0, 2, 1, 7, 1), 1, 64, 48)
        self.rejects("9", planes.Assembler, wire.FrameBegin(0, 1, 0, 2, 1, 7, 73), 1, 64, 48)
        for change in ({"frame": 8}, {"index": 5}, {"index": 0}, {"plane": 2}, {"first_row": 1}, {"rows": 48}):
            part = planes.Assembler(begin, 1, 64, 48)
            part.add(pieces[0])
            bad = wire.Slice(**{**vars(pieces[1]), **change})
            self.rejects("9", part.add, bad)
        raw = wire.Slice(7, 0, 0, 0, 0, 1, b"\xf0\x31" + bytes(range(64)))
        self.rejects("9", planes.Assembler(begin, 1, 64, 48, ours=True).add, raw)
        few = planes.Assembler(wire.FrameBegin(0, 1, 0, 2, 1, 7, 2), 1, 64, 48)
        few.add(pieces[0])
        self.rejects("9", few.add, wire.Slice(**{**vars(pieces[1]), "index": 1}))

    def test_geometry(self) -> None:
        good = planes.Geometry(64, 48, 1, sar=(4, 3))
        self.assertEqual(planes.Geometry.decode(good.encode()), good)
        self.rejects("9", planes.Geometry.decode, good.encode() + b"\0")
        for bad in (planes.Geometry(0, 48, 1), planes.Geometry(16385, 48, 1), planes.Geometry(64, 48, 6),
                    planes.Geometry(64, 48, 1, range=3), planes.Geometry(64, 48, 1, fields=3)):
            self.rejects("9", planes.Geometry.decode, bad.encode())
        self.rejects("9", planes.Geometry.decode, good.encode()[:15] + b"\1" + good.encode()[16:])

    def test_limits(self) -> None:
        self.assertEqual(planes.limit(wire.FRAME_BEGIN), 1114277)
        self.assertEqual(planes.limit(wire.FRAME), 256 << 20)
        self.assertEqual(planes.limit(99), 65536)
        self.assertEqual(planes.limit(wire.SLICE, 1, 64, 48), 16 + 3072 + 24 + 1024)
        self.assertEqual(planes.limit(wire.PACKET, 1, 65, 64), 32 + 1048705 + 1048576 + 2 * 128 * 64 * 3 // 2)

    def test_annexb(self) -> None:
        self.rejects("6", h26x.check_annexb, b"", "h264", True)
        self.rejects("6", h26x.check_annexb, b"\0\0\1\x65x", "h264", True)
        self.rejects("6", h26x.check_annexb, b"x\0\0\0\1\x65x", "h264", True)
        self.rejects("6", h26x.check_annexb, b"\0\0\0\1\xe5x", "h264", True)
        self.assertEqual(h26x.check_annexb(b"\0\0\1\x65x\0\0\0\0\1\x65y", "h264", False), [b"\x65x", b"\x65y"])

    def test_records(self) -> None:
        for codec, box in (("h264", b"avcC"), ("hevc", b"hvcC")):
            coder = fake.Encoder(codec, 640, 360)
            self.assertEqual(h26x.parse_record(coder.record, codec), coder.sets)
            boxed = struct.pack(">I", len(coder.record) + 8) + box + coder.record
            for form in (coder.record, boxed, h26x.join(coder.sets)):
                self.assertEqual(h26x.parse_extradata(form, codec), coder.sets)
            for bad in (boxed, coder.record[:-1], coder.record + b"x", b"\2" + coder.record[1:], coder.record[:20]):
                self.rejects("4", h26x.parse_record, bad, codec)
            self.rejects("4", h26x.parse_extradata, h26x.join([b"\x65\1x"]), codec)


class StrictOrder(Strict):
    """Messages out of order (sections 2, 7 and 8)."""

    def at(self, stage: str, mode: str = "encode", **more: object) -> ClientOrder:
        order = ClientOrder()
        order.stage, order.mode = stage, mode
        vars(order).update(more)
        return order

    def test_client(self) -> None:
        for section, order, kind in (
                ("3", self.at("start"), wire.CONFIGURE), ("8", self.at("start"), wire.PING),
                ("3", self.at("hello"), wire.CONFIGURE), ("7", self.at("accepted"), wire.HELLO),
                ("8", self.at("accepted"), wire.PING), ("7", self.at("configure"), wire.FRAME),
                ("8", self.at("configure"), wire.PING), ("7", self.at("configure"), wire.FLUSH),
                ("7", self.at("stream"), wire.HELLO), ("7", self.at("stream"), wire.CONFIGURE),
                ("7", self.at("stream"), wire.PACKET), ("7", self.at("stream", "decode"), wire.FRAME),
                ("9", self.at("stream"), wire.FRAME_BEGIN), ("9", self.at("stream"), wire.SLICE),
                ("9", self.at("stream", agreed={"x.slices.v1"}), wire.SLICE),
                ("9", self.at("stream", "decode", agreed={"x.slices.v1"}), wire.FRAME_BEGIN),
                ("2", self.at("stream"), 0x4003),
                *(("2", self.at("stream"), kind) for kind in (2, 4, 8, 12, 0x4000)),
                *(("1", self.at("stream", flushes=1), kind) for kind in (5, 6, 10, 13, 1)),
                ("1", self.at("stream", flushes=1, ours=True), wire.FLUSH),
                ("1", self.at("stream", flushes=16), wire.FLUSH),
                *(("9", self.at("stream", agreed={"x.slices.v1"}, picture_open=True), kind)
                  for kind in (wire.FRAME, wire.FRAME_BEGIN, wire.FLUSH))):
            with self.subTest(kind=kind, order=vars(order)):
                self.rejects(section, order.receive, kind)
        order = self.at("start")
        order.receive(wire.HELLO)
        order.stage = "accepted"
        order.receive(wire.CONFIGURE)
        order.stage = "stream"
        for kind in (wire.FRAME, wire.PING, wire.PONG, 77, wire.FLUSH, wire.PONG, wire.FLUSH):
            order.receive(kind)

    def server_at(self, stage: str, mode: str = "encode", **more: object) -> ServerOrder:
        order = ServerOrder()
        order.stage, order.mode = stage, mode
        vars(order).update(more)
        return order

    def test_server(self) -> None:
        for section, order, kind in (
                ("7", self.server_at("hello"), wire.CONFIGURE_ACK), ("8", self.server_at("hello"), wire.PING),
                ("7", self.server_at("accepted"), wire.CONFIGURE_ACK), ("8", self.server_at("configure"), wire.PING),
                ("7", self.server_at("configure"), wire.PACKET), ("7", self.server_at("stream"), wire.HELLO_ACK),
                ("7", self.server_at("stream"), wire.DONE), ("7", self.server_at("stream"), wire.FRAME),
                ("7", self.server_at("stream", "decode"), wire.PACKET), ("2", self.server_at("stream"), wire.ACK),
                ("8", self.server_at("stream", "decode"), wire.PING), ("2", self.server_at("stream"), wire.PACKET_ACK),
                ("9", self.server_at("stream", "decode"), wire.FRAME_BEGIN),
                ("9", self.server_at("stream", agreed={"x.slices.v1"}), wire.FRAME_BEGIN),
                ("9", self.server_at("stream", "decode", flushed=True, picture_open=True), wire.DONE),
                *(("2", self.server_at("stream"), kind) for kind in (1, 3, 7, 0x4fff)),
                *(("1", self.server_at("stream", ended="DONE"), kind) for kind in (6, 8, 9, 10, 11))):
            with self.subTest(kind=kind, order=vars(order)):
                self.rejects(section, order.receive, kind)


# ---- the fake codec ----------------------------------------------------------------------------------------------

class FakeCodec(unittest.TestCase):
    """Times and hashes of the fake packets, order of the fake pictures."""

    def test_encoder(self) -> None:
        for codec in ("h264", "hevc"):
            for reorder in (0, 1, 3, 7):
                coder = fake.Encoder(codec, 66, 34, gop=10, reorder=reorder)
                out, held = [], 0
                for i in range(33):
                    out += coder.encode(2 * i, 2, i == 17, f"{i}")
                    held = max(held, i + 1 - len(out))
                out += coder.flush()
                self.assertEqual(held, reorder)
                self.assertEqual(sorted(p.pts for p in out), [2 * i for i in range(33)])
                self.assertTrue(all(a.dts < b.dts for a, b in zip(out, out[1:])))
                self.assertTrue(all(p.dts <= p.pts and h26x.find_text(p.data) == str(p.pts // 2) for p in out))
                self.assertEqual([p.pts for p in out if p.key], [0, 20, 34, 54])
                stream = b"".join(p.data for p in out)
                self.assertEqual(h26x.access_units(stream, codec), [p.data for p in out])

    def test_decoder(self) -> None:
        order = [0, 3, 1, 2, 6, 4, 5]
        shown = []
        decoder = fake.Decoder(1)
        for pts in order:
            shown += decoder.decode(packet(pts=pts))
        shown += decoder.decode(packet(pts=1, flags=1)) + decoder.flush()
        self.assertEqual([p.pts for p in shown], [0, 1, 2, 3, 4, 5, 6, 1])


# ---- the ends against each other ---------------------------------------------------------------------------------

def peer(options: list[str], output: int) -> None:
    """`vtr1.py` with these options in a process that was forked, which starts in no time."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = (os.fdopen(fd, "w", buffering=1) for fd in (1, 2))
    os._exit(vtr1.main(options))


class Peer:
    """`vtr1.py` as a process."""

    def __init__(self, *options: str) -> None:
        here, there = os.pipe()
        self.process = multiprocessing.get_context("fork").Process(target=peer, args=(options, there))
        self.process.start()
        os.close(there)
        self.output = os.fdopen(here)

    def end(self) -> tuple[int, str]:
        said = self.output.read()
        self.output.close()
        self.process.join(TIMEOUT)
        return self.process.exitcode, said


def play(serve: str, play_client: str) -> tuple[int, str, int, str]:
    """Exit status and output of the client, then of the server."""
    serving = Peer("serve", *serve.split())
    address = serving.output.readline().split()[-1]
    mode, *options = play_client.split()
    return (*Peer(mode, address, *options).end(), *serving.end())


class Sessions(unittest.TestCase):
    """Client processes against server processes."""

    SIZE = "--width 64 --height 48 --expect-mock "

    def good(self, serve: str, play_client: str) -> dict:
        status, out, server_status, server_out = play(serve, play_client)
        self.assertEqual((status, server_status), (0, 0), f"{serve} | {play_client}\n{out}\n{server_out}")
        return json.loads(out) | {"log": server_out}

    def bad(self, serve: str, play_client: str, text: str, client_fails: bool = True) -> None:
        status, out, server_status, server_out = play(serve, play_client)
        self.assertEqual(bool(status if client_fails else server_status), True, out + server_out)
        self.assertIn(text, out if client_fails else server_out)
        self.assertIn("violation: ", out if client_fails else server_out)

    def against(self, server_kind: str) -> None:
        for client_kind in vtr1.GENERATIONS:
            for mode in ("encode", "decode"):
                for codec in ("h264", "hevc"):
                    sessions = 2 if (client_kind, mode, codec) == ("early", "decode", "hevc") else 1
                    with self.subTest(client=client_kind, mode=mode, codec=codec):
                        got = self.good(f"--generation {server_kind} --sessions {sessions}",
                                        f"{mode} {self.SIZE} --generation {client_kind} --codec {codec} "
                                        f"--expect {server_kind} --frames 20")
                        self.assertEqual(sorted(got["pts"]), list(range(20)))

    def test_early_server(self) -> None:
        self.against("early")

    def test_current_server(self) -> None:
        self.against("current")

    def test_our_server(self) -> None:
        self.against("ours")

    def test_formats_and_compression(self) -> None:
        for fmt in planes.FORMATS:
            for how, more in ((0, "--plain-frames --zero-side-data"), (1, ""), (2, "--plain-frames")):
                with self.subTest(fmt=fmt, how=how):
                    self.good("", f"encode --width 63 --height 35 --expect-mock --format {fmt} --compression {how} "
                                  f"--frames 3 {more}")
                    self.good("", f"decode --width 63 --height 35 --expect-mock --format {fmt} --compression {how} "
                                  "--frames 3")

    def test_odd_sizes_of_early(self) -> None:
        for serve in ("early", "current", "ours"):
            self.good(f"--generation {serve}", "encode --width 63 --height 35 --expect-mock --generation early")
        self.good("--generation early", "decode --width 63 --height 35 --expect-mock")
        self.bad("--generation current --floor-chroma", "decode --width 63 --height 35", "odd size keeps")

    def test_repeats(self) -> None:
        for window, reorder in ((1, 0), (3, 1), (9, 7), (8, 0)):
            for serve in ("current", "ours"):
                got = self.good(f"--generation {serve} --reorder {reorder} --codec-delay 10",
                                f"encode {self.SIZE} --generation early --window {window} --frames 20")
                self.assertGreater(got["repeats"], 0)
                self.assertEqual(got["empty"], got["repeats"])
        self.bad("--generation ours --ignore-repeats", f"encode {self.SIZE} --generation early --window 1 --timeout 0.5 "
                 "--frames 3", "repeats included")

    def test_credit(self) -> None:
        got = self.good("--reorder 40", f"encode {self.SIZE} --window 1 --frames 60")
        self.assertEqual(got["taken"], 60)
        self.good("--ack-every 1 --expect-window 3 --codec-delay 5", f"encode {self.SIZE} --window 3")
        self.good("--generation current --reorder 12", f"encode {self.SIZE} --window 4 --frames 40")
        self.bad("--expect-window 3 --codec-delay 30", f"encode {self.SIZE} --window 16", "its window", False)

    def test_keepalive(self) -> None:
        got = self.good("--generation current --stall-at 2 --stall 900 --ping-after 0.2", f"encode {self.SIZE} --frames 4")
        self.assertGreater(got["pings"], 0)
        got = self.good("--generation early", f"encode {self.SIZE} --frames 3 --sleep 300 --ping-after 0.1 --ping-payload 9")
        self.assertGreater(got["pongs"], 0)
        self.bad("--no-pong", f"encode {self.SIZE} --frames 3 --sleep 200 --ping-after 0.1", "answered by a PONG")
        self.bad("--generation early --idle 0.5", f"encode {self.SIZE} --frames 3 --sleep 1500", "4 s of sending nothing",
                 False)

    def test_geometry(self) -> None:
        got = self.good("--resize-at 6 --reorder 2", f"decode {self.SIZE} --frames 12 --stream-reorder 2 --compression 2")
        self.assertEqual(got["agreed"], ["x.ack.v1", "x.geometry.v1", "x.slices.v1"])
        self.assertEqual([entry[:2] for entry in got["size"]], [[64, 48]] * 5 + [[32, 24]] * 7)
        got = self.good("--extensions ack,slices", f"decode {self.SIZE} --frames 5")
        self.assertEqual(got["agreed"], ["x.ack.v1", "x.slices.v1"])
        self.good("--plain-frames --stride-pad 5", f"decode {self.SIZE} --frames 5 --extensions ack,slices")
        got = self.good("", f"decode {self.SIZE} --extensions ack --option x.geometry.v1=1 --frames 2 ")
        self.assertIn("x.geometry.v1", got["warnings"][0])

    def test_decode_order(self) -> None:
        stream = "--stream-reorder 3 --frames 20"
        early = self.good("--generation early", f"decode {self.SIZE} --generation current {stream}")
        self.assertNotEqual(early["pts"], sorted(early["pts"]))
        self.good("--generation current", f"decode {self.SIZE} {stream}")
        self.bad("--generation current --reorder 0", f"decode {self.SIZE} {stream}", "order of showing")
        for form in ("record", "box", "annexb"):
            self.good("--generation current", f"decode {self.SIZE} --codec hevc --extradata {form} --frames 3")
        self.good("", f"decode {self.SIZE} --extradata none --frames 3")
        self.bad("--generation current", f"decode {self.SIZE} --extradata none", "Existing servers need it", False)

    def test_encode_options(self) -> None:
        got = self.good("", f"encode {self.SIZE} --global-header --key-every 7 --gop 100 --duration 3 --first-pts -50")
        self.assertEqual(got["keyframes"], [-50 + 21 * i for i in range(5)])
        got = self.good("", f"encode {self.SIZE} --option funny=1")
        self.assertIn("funny", got["warnings"][0])
        self.good("--generation current", f"encode {self.SIZE} --rate 0/1")
        self.bad("--generation current", f"encode {self.SIZE} --generation current --rate 0/1", "1/timebase", False)
        self.bad("", f"encode {self.SIZE} --option qmin=-1", "whose values are not the default", False)
        self.good("--generation current --client-is-ours", f"encode {self.SIZE}")
        self.bad("--client-is-ours", f"encode {self.SIZE} --extensions none --repeat-flush 2", "nothing but PONG", False)
        self.bad("--no-inband-sets", f"encode {self.SIZE}", "parameter sets stand before every keyframe")
        self.bad("--short-start-codes", f"encode {self.SIZE}", "4-byte start codes")
        self.bad("--zero-durations", f"encode {self.SIZE}", "with its frame's duration")
        self.bad("--repeat-dts 3", f"encode {self.SIZE}", "dts strictly rises")

    def test_failures(self) -> None:
        for serve in vtr1.GENERATIONS:
            self.bad(f"--generation {serve} --drop 5", f"encode {self.SIZE} --generation current", "one PACKET per FRAME")
            self.bad(f"--generation {serve} --bare-close-at 5", f"encode {self.SIZE}", "never closes without ERROR")
            self.bad(f"--generation {serve} --error-at 5", f"encode {self.SIZE}", "ERROR 2: the codec failed")
        self.bad("--refuse because", f"encode {self.SIZE}", "ERROR 1: refused on purpose: because")
        self.bad("--hello-status 1", f"encode {self.SIZE}", "HELLO_ACK status 1")
        self.bad("--generation early", f"encode {self.SIZE} --format bgra", "not listed")
        self.bad("--generation early", f"encode {self.SIZE} --format bgra --unlisted", "takes NV12 and P010", False)
        self.bad("", f"encode {self.SIZE} --bare-close-at 5", "before FLUSH has left", False)
        self.bad("", f"encode {self.SIZE} --option mode=transcode", "transcoding", False)
        self.bad("--generation current", f"encode {self.SIZE} --option x.ack.v1=1", "only if it was listed", False)

    def test_writes(self) -> None:
        self.good("--chunk 7", f"encode {self.SIZE} --split-header --no-nodelay --half-close --frames 5")
        self.good("--chunk 1000", f"encode {self.SIZE} --chunk 100 --frames 5 --read-delay 10")
        got = self.good("--codec-delay 20 --drain-delay 100", f"encode {self.SIZE} --repeat-flush 16 --generation early")
        self.assertIn('"flushes": 16', got["log"])
        self.good("--sessions 2 --allow-leave", f"encode {self.SIZE} --probe-first --frames 2")

    def test_dump_decodes_as_a_file(self) -> None:
        path = f"/tmp/vtr1-test-{os.getpid()}.h264"
        try:
            self.good("--reorder 2", f"encode {self.SIZE} --frames 12 --dump {path}")
            for kind in vtr1.GENERATIONS:
                got = self.good(f"--generation {kind}", f"decode {self.SIZE} --file {path} --generation {kind}")
                self.assertEqual(got["frames"], 12)
        finally:
            os.unlink(path)


# ---- live violations ---------------------------------------------------------------------------------------------

def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname(), timeout=10)
        return near, listener.accept()[0]


HELLO = wire.message(wire.HELLO, wire.Hello().encode())


def configure(*options: tuple[str, str], **more: object) -> bytes:
    values: dict = {"width": 2, "height": 2, "format": 1, "timebase": (1, 30), "rate": (30, 1),
                    "options": list(options)} | more
    return wire.message(wire.CONFIGURE, wire.Configure(**values).encode())


def picture(pts: int, **more: object) -> bytes:
    frame = wire.Frame(pts, 1, 0, [wire.Plane(2, 2, b"abcd"), wire.Plane(2, 1, b"ef")])
    vars(frame).update(more)
    return wire.message(wire.FRAME, frame.encode())


class LiveServer(unittest.TestCase):
    """Bytes from a wrong client, in steps that each wait for the server's answer."""

    def says(self, *steps: bytes, generation: str = "ours") -> str:
        near, far = tcp_pair()
        session = server.Session(far, vtr1.parse(["serve", "--generation", generation]), 1)
        session.start()
        with near:
            try:
                for number, step in enumerate(steps):
                    near.sendall(step)
                    if number < 2 and len(steps) > number + 1:
                        near.recv(65536)
                near.shutdown(socket.SHUT_WR)
                while near.recv(65536):
                    pass
            except OSError:
                pass
            session.join(TIMEOUT)
        self.assertFalse(session.is_alive())
        return "\n".join(session.problems)

    def test_violations(self) -> None:
        both, flush = (HELLO, configure()), wire.message(wire.FLUSH)
        slices = (HELLO, configure(("x.slices.v1", "1")))
        begin = wire.message(wire.FRAME_BEGIN, wire.FrameBegin(0, 1, 0, 2, 0, 0, 2).encode())
        for text, steps in {
                "": (*both, picture(0), picture(0), picture(1), flush, flush),
                "The first six bytes": (b"GET / HTTP/1.1\r\n\r\n",),
                "HELLO is the client's first": (configure(),),
                "waits for HELLO_ACK": (HELLO + configure(),),
                "first three is waited for": (HELLO, configure() + picture(0)),
                "PING is legal only": (HELLO, wire.message(wire.PING)),
                "nothing but PONG": (*both, flush + wire.message(wire.PING)),
                "FLUSH, DONE, PING": (*both, wire.message(wire.FLUSH, b"x")),
                "pts rise": (*both, picture(5) + picture(4) + flush),
                'none is "none"': (*both, picture(wire.NO_PTS) + flush),
                "16 repeats": (*both, picture(5) * 18 + flush),
                "lists `side_data.v2`": (*both, picture(0, side_data=[(1, b"x")])),
                "least the row's bytes": (*both, picture(0, planes=[wire.Plane(1, 2, b"ab"), wire.Plane(2, 1, b"ef")])),
                "Nothing may follow": (*both, wire.message(wire.FRAME, picture(0)[12:] + b"\0\0")),
                "held against the limit": (*both, wire.START + struct.pack(">HI", wire.FRAME, 1 << 30)),
                "EOF after": (*both, picture(0)[:-1]),
                "before FLUSH has left": (*both, picture(0)),
                "must be empty": (*both, wire.message(wire.PONG, b"x")),
                "without x.slices.v1": (*both, begin),
                "amid a picture": (*slices, begin + flush),
                "frame id": (*slices, begin + wire.message(wire.SLICE, wire.Slice(1, 0, 0, 1, 0, 2, b"abcd").encode())),
                "the client sent ERROR 5: no": (*both, wire.message(wire.ERROR, wire.Error(5, "no").encode())),
                "empty in encode": (HELLO, configure(extradata=b"x")),
                "Larger ones, and 0": (HELLO, configure(width=0)),
                "number that it does not have": (HELLO, configure(format=6)),
                "names the key": (HELLO, configure(("gop", "many"))),
                "`decode_async=1` always": (HELLO, configure(("mode", "decode"), ("x.ack.v1", "1"))),
                "among its last 1024": (*slices, picture(0) + picture(0))}.items():
            with self.subTest(text):
                text = "PONG of 1 bytes" if text == "must be empty" else text
                said = self.says(*steps)
                self.assertEqual(said, "") if not text else self.assertIn(text, said)

    def test_port_checks(self) -> None:
        self.assertEqual(self.says(b""), "")
        self.assertEqual(self.says(HELLO, b""), "")


class LiveClient(unittest.TestCase):
    """Bytes from a wrong server."""

    RECORD = fake.Encoder("h264", 64, 48).record
    CAPS = server.ALWAYS + ["x.ack.v1", "x.slices.v1", "x.geometry.v1"]

    def says(self, *answers: bytes, mode: str = "encode", options: str = "") -> str:
        """The first two answers are for HELLO and CONFIGURE, the third for the first input, the fourth for FLUSH."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(10)
        args = vtr1.parse([mode, "127.0.0.1:%d" % listener.getsockname()[1], "--width", "64", "--height", "48", "--frames",
                           "1", "--timeout", "1", "--extensions", "ack", *options.split()])
        problems: list[str] = []

        def play_client() -> None:
            session = (client.EncodeSession if mode == "encode" else client.DecodeSession)(args)
            try:
                session.run()
            except (Violation, client.Refused, OSError) as error:
                problems.append(str(error))
            problems.extend(session.problems)
            session.close()

        thread = threading.Thread(target=play_client, daemon=True)
        thread.start()
        sock = listener.accept()[0]
        listener.close()
        with sock:
            sock.settimeout(10)
            try:
                got = b""
                for number, answer in enumerate(answers):
                    while number < 3 and not got or number == 3 and wire.message(wire.FLUSH) not in got:
                        got += sock.recv(65536)
                    got = got if number > 1 else b""
                    sock.sendall(answer)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            except OSError:
                pass
            thread.join(TIMEOUT)
        self.assertFalse(thread.is_alive())
        return "\n".join(problems)

    def test_violations(self) -> None:
        m = wire.message
        hello = m(wire.HELLO_ACK, wire.HelloAck(0, "vtremoted", "1", self.CAPS, 4, 1).encode())
        ready = m(wire.CONFIGURE_ACK, wire.ConfigureAck(self.RECORD, 1).encode())
        data = fake.Encoder("h264", 64, 48).encode(0, 1, True, "x")[0].data
        good = packet(pts=0, dts=0, flags=1, data=data)
        done, ack = m(wire.DONE), m(wire.ACK, wire.Ack(1, 5).encode())

        def answer(**changes: object) -> bytes:
            return m(wire.PACKET, wire.Packet(**{**vars(good), **changes}).encode())

        both = (hello, ready)
        for text, steps in {
                "": (*both, ack + answer(), done),
                "HELLO_ACK status 1": (m(wire.HELLO_ACK, wire.HelloAck(1).encode()),),
                "It always lists": (m(wire.HELLO_ACK, wire.HelloAck(0, "", "", ["h264", "x.ack.v1"]).encode()),),
                "gives its name": (m(wire.HELLO_ACK, wire.HelloAck(0, "x", "", self.CAPS).encode()),),
                "PING before CONFIGURE_ACK": (hello, m(wire.PING)),
                "status, always 0": (hello, m(wire.CONFIGURE_ACK, wire.ConfigureAck(status=1).encode())),
                "repeats CONFIGURE's": (hello, m(wire.CONFIGURE_ACK, wire.ConfigureAck(self.RECORD, 2).encode())),
                "the bare avcC": (hello, m(wire.CONFIGURE_ACK, wire.ConfigureAck(b"\1\2\3", 1).encode())),
                "exactly once": (*both, answer(pts=1, dts=1)),
                "its frame's duration": (*both, answer(duration=2)),
                "dts strictly rises": (*both, answer(dts=1)),
                "is the loss of that frame": (*both, answer(data=b"")),
                "is such a repeat": (*both, ack + answer() + answer(data=b"", flags=0)),
                "1 frames and 0 repeats unanswered": (*both, ack, done),
                "DONE before FLUSH": (*both, done),
                "DONE of 1 bytes": (*both, ack + answer(), m(wire.DONE, b"x")),
                "after DONE": (*both, ack + answer(), done + m(wire.PING)),
                "never closes without ERROR": (*both, ack + answer()),
                "ERROR 5: gone": (*both, m(wire.ERROR, wire.Error(5, "gone").encode())),
                "bytes after ERROR": (*both, m(wire.ERROR, wire.Error(5, "gone").encode() + b"x")),
                "never exceeds what was sent": (*both, m(wire.ACK, wire.Ack(2, 5).encode())),
                "exactly 8 bytes": (*both, m(wire.ACK, bytes(7))),
                "one ACK for each": (*both, m(wire.ACK, wire.Ack(0, 5).encode()) + answer(), done),
                "FRAME from the server in encode": (*both, m(wire.FRAME, bytes(21))),
                "HELLO": (*both, HELLO),
                "goes beyond its payload": (*both, answer()[:4] + answer()[4:8] + struct.pack(">I", 40) + answer()[12:52]),
                "PONG 78": (*both, m(wire.PONG, b"x"))}.items():
            with self.subTest(text):
                said = self.says(*steps, options="--window 1 --frames 2" if text == "DONE before FLUSH" else "")
                self.assertEqual(said, "") if not text else self.assertIn(text, said)

    def test_silence(self) -> None:
        hello = wire.message(wire.HELLO_ACK, wire.HelloAck(0, "vtremoted", "1", self.CAPS).encode())
        near = self.says(hello)
        self.assertIn("EOF in place of CONFIGURE_ACK", near)

    def test_decode(self) -> None:
        hello = wire.message(wire.HELLO_ACK, wire.HelloAck(0, "vtremoted", "1", self.CAPS).encode())
        ready = wire.message(wire.CONFIGURE_ACK, wire.ConfigureAck(b"", 1).encode())
        rows, shape = planes.picture(1, 64, 48, b"x"), planes.layout(1, 64, 48)
        frame = wire.Frame(0, 1, 0, planes.pack(rows, shape, 0))
        begin = wire.FrameBegin(0, 1, 0, 2, 0, 0, 2)

        def m(value: object) -> bytes:
            return wire.message(wire.FRAME if isinstance(value, wire.Frame) else wire.FRAME_BEGIN, value.encode())

        for text, options, steps in (
                ("", "", (hello, ready, m(frame), wire.message(wire.DONE))),
                ("In decode it is empty", "", (hello, wire.message(4, wire.ConfigureAck(self.RECORD, 1).encode()))),
                ("0 in decode", "", (hello, ready, m(wire.Frame(**{**vars(frame), "flags": 1})))),
                ("come back unchanged", "", (hello, ready, m(wire.Frame(**{**vars(frame), "pts": 9})))),
                ("without x.slices.v1", "", (hello, ready, m(begin))),
                ("carries a record", "--extensions slices,geometry", (hello, ready, m(begin))),
                ("sends every picture as", "--extensions slices,geometry", (hello, ready, m(frame))),
                ("DONE amid a picture", "--extensions slices", (hello, ready, m(begin), wire.message(wire.DONE)))):
            with self.subTest(text):
                said = self.says(*steps, mode="decode", options=options)
                self.assertEqual(said, "") if not text else self.assertIn(text, said)


# ---- all of them --------------------------------------------------------------------------------------------------

def single(name: str) -> tuple[str, float, str]:
    """One test's name, seconds, and what went wrong."""
    start = time.monotonic()
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromName(name, sys.modules["__main__"]).run(result)
    wrong = [text for _, text in result.failures + result.errors] + [reason for _, reason in result.skipped]
    return name, time.monotonic() - start, "\n".join(wrong)


def main(names: list[str]) -> int:
    """Runs these tests, or all, eight at a time: most of what they do is to wait."""
    fork = multiprocessing.get_context("fork")
    if not names:
        cases = [value for value in globals().values() if isinstance(value, type) and issubclass(value, unittest.TestCase)]
        names = [f"{case.__name__}.{name}" for case in cases for name in unittest.defaultTestLoader.getTestCaseNames(case)]
    with concurrent.futures.ProcessPoolExecutor(8, fork) as pool:
        results = list(pool.map(single, names))
    for name, seconds, wrong in results:
        print(f"{name}: {seconds:.1f} s" + (f"\n{wrong}" if wrong else ""))
    failed = sum(bool(wrong) for _, _, wrong in results)
    print(f"test result: {'FAILED' if failed else 'ok'}. {len(results) - failed} passed; {failed} failed;")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
