"""VTR1 messages as bytes: encoding, and decoding that forgives nothing the page does not allow.

Every breach raises `Violation`, whose text names the section of the protocol page and quotes the rule.
"""
from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NoReturn

MAGIC = 0x56545231
VERSION = 1
START = struct.pack(">IH", MAGIC, VERSION)  # the first six bytes of every message (section 2)
HEADER_SIZE = 12
NO_PTS = -(1 << 63)  # "none" (section 5)
NO_REFERENCE = 0xFFFFFFFF

HELLO, HELLO_ACK, CONFIGURE, CONFIGURE_ACK, FRAME, PACKET = 1, 2, 3, 4, 5, 6
FLUSH, DONE, ERROR, PING, PONG, PACKET_ACK = 7, 8, 9, 10, 11, 12
ACK, FRAME_BEGIN, SLICE = 0x4000, 0x4001, 0x4002
NAMES = {1: "HELLO", 2: "HELLO_ACK", 3: "CONFIGURE", 4: "CONFIGURE_ACK", 5: "FRAME", 6: "PACKET", 7: "FLUSH",
         8: "DONE", 9: "ERROR", 10: "PING", 11: "PONG", 12: "PACKET_ACK", 0x4000: "ACK", 0x4001: "FRAME_BEGIN",
         0x4002: "SLICE"}

MAX_SIDE_RECORDS = 16
MAX_SIDE_BYTES = 1 << 20
SMALL = 65536
BULK = 256 << 20
MAX_OPTIONS = 1024
MAX_PLANES = 4
MAX_STATUS = 4
MAX_ERROR_TEXT = 4096
MAX_SLICES = 256
MAX_TABLES = 65536


class Violation(Exception):
    """What the other end did against the page. `code` is the ERROR code that fits (section 8)."""

    def __init__(self, section: str, rule: str, got: str, code: int = 4) -> None:
        super().__init__(f'section {section}: "{rule}" -- {got}')
        self.section, self.rule, self.got, self.code = section, rule, got, code


def breach(section: str, rule: str, got: str, code: int = 4) -> NoReturn:
    """Raises a Violation. `section` and `rule` are constants, so that a test can look them up on the page."""
    raise Violation(section, rule, got, code)


def name(kind: int) -> str:
    """A message type for people."""
    return NAMES.get(kind, f"type 0x{kind:04x}")


# ---- header (section 2) ------------------------------------------------------------------------------------------

def check_start(data: bytes) -> None:
    """Checks as many of the first six bytes as are there."""
    known = START[:len(data)]
    if data[:len(known)] != known:
        breach("2", "The first six bytes are the same in every message",
               f"got {data[:6].hex()} where {START.hex()} belongs", 7)


def parse_header(data: bytes) -> tuple[int, int]:
    """Type and payload length of a whole header."""
    if len(data) != HEADER_SIZE:
        breach("2", "Every message is a header of 12 bytes and a payload", f"{len(data)} bytes", 7)
    check_start(data)
    return struct.unpack(">HI", data[6:])


def message(kind: int, payload: bytes = b"") -> bytes:
    """A whole message."""
    return START + struct.pack(">HI", kind, len(payload)) + payload


# ---- cursor and str ----------------------------------------------------------------------------------------------

class Cursor:
    """Reads a payload from its beginning."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        if size > self.left:
            breach("notation", "A byte range that goes beyond its payload is an error",
                   f"{size} bytes wanted at {self.at}, {self.left} there", 7)
        self.at += size
        return self.data[self.at - size:self.at]

    def unpack(self, form: str) -> tuple:
        return struct.unpack(">" + form, self.take(struct.calcsize(">" + form)))

    def number(self, form: str) -> int:
        return self.unpack(form)[0]

    def text(self) -> str:
        raw = self.take(self.number("H"))
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            breach("notation", "that many bytes of UTF-8 without a NUL", f"{raw[:40]!r}: {error.reason}", 7)
        if "\0" in text:
            breach("notation", "that many bytes of UTF-8 without a NUL", f"a NUL in {text[:40]!r}", 7)
        return text


def put_text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


# ---- handshake (sections 3 and 4) --------------------------------------------------------------------------------

@dataclass
class Hello:
    """HELLO, section 3."""
    token: str = ""
    codec: str = "h264"
    client: str = ""
    build: str = ""

    def encode(self) -> bytes:
        return b"".join(map(put_text, (self.token, self.codec, self.client, self.build)))

    @classmethod
    def decode(cls, payload: bytes) -> "Hello":
        cursor = Cursor(payload)  # bytes after the last known field are ignored
        hello = cls(*(cursor.text() for _ in range(4)))
        if hello.codec not in ("h264", "hevc"):
            breach("3", "`h264` or `hevc`; in transcode that of the input", f"codec {hello.codec!r}")
        return hello


@dataclass
class HelloAck:
    """HELLO_ACK, section 3. The last two numbers are None where the message ends before them."""
    status: int = 0
    server: str = ""
    version: str = ""
    capabilities: list[str] = field(default_factory=list)
    max_sessions: int | None = None
    sessions: int | None = None

    def encode(self) -> bytes:
        out = bytes([self.status]) + put_text(self.server) + put_text(self.version) + bytes([len(self.capabilities)])
        out += b"".join(map(put_text, self.capabilities))
        for value in (self.max_sessions, self.sessions):
            if value is None:
                break
            out += struct.pack(">H", value)
        return out

    @classmethod
    def decode(cls, payload: bytes) -> "HelloAck":
        cursor = Cursor(payload)
        status = cursor.number("B")
        if status > MAX_STATUS:
            breach("3", "status: 0 accepted, 1 busy, 2 authentication failed, 3 codec not supported, 4 internal error",
                   f"status {status}")
        ack = cls(status, cursor.text(), cursor.text())
        ack.capabilities = [cursor.text() for _ in range(cursor.number("B"))]
        if cursor.left:
            ack.max_sessions = cursor.number("H")
        if cursor.left:
            ack.sessions = cursor.number("H")
        return ack

    @property
    def generation(self) -> str:
        """How the page's first table tells servers apart."""
        if any(entry.startswith("x.") for entry in self.capabilities):
            return "ours"
        return "current" if set(self.capabilities) - {"h264", "hevc"} else "early"


@dataclass
class Configure:
    """CONFIGURE, section 4. `options` keeps order and repetitions."""
    width: int
    height: int
    format: int
    timebase: tuple[int, int]
    rate: tuple[int, int]
    options: list[tuple[str, str]] = field(default_factory=list)
    extradata: bytes = b""

    def encode(self) -> bytes:
        out = struct.pack(">IIBIIIIH", self.width, self.height, self.format, *self.timebase, *self.rate,
                          len(self.options))
        out += b"".join(put_text(key) + put_text(value) for key, value in self.options)
        return out + struct.pack(">I", len(self.extradata)) + self.extradata

    @classmethod
    def decode(cls, payload: bytes) -> "Configure":
        cursor = Cursor(payload)
        width, height, fmt, tb_num, tb_den, rate_num, rate_den = cursor.unpack("IIBIIII")
        configure = cls(width, height, fmt, (tb_num, tb_den), (rate_num, rate_den))
        if not cursor.left:  # "The payload may end after the frame rate ... or after the options"
            return configure
        count = cursor.number("H")
        if count > MAX_OPTIONS:
            breach("4", "A server reads at most 1024 options", f"{count} options")
        configure.options = [(cursor.text(), cursor.text()) for _ in range(count)]
        if cursor.left:
            configure.extradata = cursor.take(cursor.number("I"))
        return configure


@dataclass
class ConfigureAck:
    """CONFIGURE_ACK, section 4."""
    extradata: bytes = b""
    format: int = 1
    warnings: list[str] = field(default_factory=list)
    status: int = 0

    def encode(self) -> bytes:
        out = bytes([self.status]) + struct.pack(">H", len(self.extradata)) + self.extradata
        return out + bytes([self.format, len(self.warnings)]) + b"".join(map(put_text, self.warnings))

    @classmethod
    def decode(cls, payload: bytes) -> "ConfigureAck":
        cursor = Cursor(payload)
        status = cursor.number("B")
        if status:
            breach("4", "status, always 0: a refusal is an ERROR", f"status {status}")
        extradata = cursor.take(cursor.number("H"))
        fmt = cursor.number("B")
        warnings = [cursor.text() for _ in range(cursor.number("B"))]
        for warning in warnings:
            if "\n" in warning or "\r" in warning:
                breach("4", "warnings, one line each", repr(warning))
        return cls(extradata, fmt, warnings, status)


# ---- pictures and access units (sections 5, 6 and 9) -------------------------------------------------------------

SideData = list[tuple[int, bytes]]


def put_side_data(records: SideData, zero: bool = False) -> bytes:
    """Side data; `zero` says none by a single byte 0 instead of by nothing."""
    if not records:
        return b"\0" if zero else b""
    return bytes([len(records)]) + b"".join(struct.pack(">II", kind, len(data)) + data for kind, data in records)


def read_side_data(cursor: Cursor) -> SideData:
    """Side data is all that is left of a payload (section 5)."""
    if not cursor.left:
        return []
    count = cursor.number("B")
    if count > MAX_SIDE_RECORDS:
        breach("5", "number of records, at most 16", f"{count} records")
    records: SideData = []
    for _ in range(count):
        kind, size = cursor.unpack("II")
        records.append((kind, cursor.take(size)))
        if sum(len(data) for _, data in records) > MAX_SIDE_BYTES:
            breach("5", "together at most 1 MiB without their heads", "more side data than that")
    if cursor.left:
        breach("5", "Nothing may follow it", f"{cursor.left} bytes after the side data", 7)
    return records


def check_flags(flags: int, what: str) -> None:
    """Only bit 0 has a meaning; the other bits are taken to be 0."""
    if flags & ~1:
        breach("5", "flags: bit 0 asks for a keyframe (encode); 0 in decode", f"{what} with flags 0x{flags:x}")


@dataclass
class Plane:
    """One plane of a FRAME, still compressed."""
    stride: int
    height: int
    data: bytes


@dataclass
class Frame:
    """FRAME, section 5."""
    pts: int
    duration: int
    flags: int
    planes: list[Plane]
    side_data: SideData = field(default_factory=list)

    def encode(self, zero_side_data: bool = False) -> bytes:
        out = [struct.pack(">qqIB", self.pts, self.duration, self.flags, len(self.planes))]
        for plane in self.planes:
            out += struct.pack(">III", plane.stride, plane.height, len(plane.data)), plane.data
        out.append(put_side_data(self.side_data, zero_side_data))
        return b"".join(out)

    @classmethod
    def decode(cls, payload: bytes) -> "Frame":
        cursor = Cursor(payload)
        pts, duration, flags, count = cursor.unpack("qqIB")
        check_flags(flags, "FRAME")
        if count > MAX_PLANES:
            breach("8", "A frame has at most 4 planes", f"{count} planes")
        planes = []
        for _ in range(count):
            stride, height, size = cursor.unpack("III")
            planes.append(Plane(stride, height, cursor.take(size)))
        return cls(pts, duration, flags, planes, read_side_data(cursor))


@dataclass
class Packet:
    """PACKET, section 6."""
    pts: int
    dts: int
    duration: int
    flags: int
    data: bytes
    side_data: SideData = field(default_factory=list)

    @property
    def key(self) -> bool:
        return bool(self.flags & 1)

    def encode(self) -> bytes:
        return struct.pack(">qqqII", self.pts, self.dts, self.duration, self.flags, len(self.data)) + self.data + \
            put_side_data(self.side_data)

    @classmethod
    def decode(cls, payload: bytes) -> "Packet":
        cursor = Cursor(payload)
        pts, dts, duration, flags, size = cursor.unpack("qqqII")
        if flags & ~1:
            breach("6", "flags: bit 0 keyframe", f"flags 0x{flags:x}")
        data = cursor.take(size)
        return cls(pts, dts, duration, flags, data, read_side_data(cursor))


@dataclass
class Ack:
    """ACK, section 9, x.ack.v1."""
    taken: int
    microseconds: int

    def encode(self) -> bytes:
        return struct.pack(">II", self.taken & 0xFFFFFFFF, self.microseconds)

    @classmethod
    def decode(cls, payload: bytes) -> "Ack":
        if len(payload) != 8:
            breach("9", "ACK, 0x4000, S→C, exactly 8 bytes", f"{len(payload)} bytes", 7)
        return cls(*struct.unpack(">II", payload))


@dataclass
class FrameBegin:
    """FRAME_BEGIN, section 9, x.slices.v1. `decode` is that of messages; `check_session` is what sessions add."""
    pts: int
    duration: int
    flags: int
    planes: int
    codec: int
    frame: int
    slices: int
    reference: int = NO_REFERENCE
    tables: bytes = b""
    side_data: SideData = field(default_factory=list)

    def encode(self) -> bytes:
        return struct.pack(">qqIBBIIHI", self.pts, self.duration, self.flags, self.planes, self.codec, self.frame,
                           self.reference, self.slices, len(self.tables)) + self.tables + put_side_data(self.side_data)

    @classmethod
    def decode(cls, payload: bytes) -> "FrameBegin":
        cursor = Cursor(payload)
        pts, duration, flags, planes, codec, frame, reference, slices, size = cursor.unpack("qqIBBIIHI")
        check_flags(flags, "FRAME_BEGIN")
        if planes > MAX_PLANES:
            breach("8", "A frame has at most 4 planes", f"{planes} planes")
        if codec > 2:
            breach("9", "codec: 0, 1 or 2 as in `wire_compression`", f"codec {codec}")
        if not 1 <= slices <= MAX_SLICES:
            breach("9", "number of slices, 1 to 256", f"{slices} slices")
        if size > MAX_TABLES:
            breach("9", "tables: empty but with codec 3; at most 64 KiB", f"{size} bytes of tables")
        tables = cursor.take(size)
        return cls(pts, duration, flags, planes, codec, frame, slices, reference, tables, read_side_data(cursor))

    def check_session(self) -> None:
        """What is only vtz's, which these peers never agree to."""
        if self.tables:
            breach("9", "tables: empty but with codec 3; at most 64 KiB", f"{len(self.tables)} bytes of tables")
        if self.reference != NO_REFERENCE:
            breach("9", "reference id: 0xFFFFFFFF, none, but with codec 3", f"reference {self.reference}")


@dataclass
class Slice:
    """SLICE, section 9, x.slices.v1."""
    frame: int
    index: int
    plane: int
    mode: int
    first_row: int
    rows: int
    data: bytes

    def encode(self) -> bytes:
        return struct.pack(">IHBBII", self.frame, self.index, self.plane, self.mode, self.first_row,
                           self.rows) + self.data

    @classmethod
    def decode(cls, payload: bytes) -> "Slice":
        cursor = Cursor(payload)
        frame, index, plane, mode, first_row, rows = cursor.unpack("IHBBII")
        if mode > 1:
            breach("9", "mode: 0 as the FRAME_BEGIN's codec says (raw if that is 0), 1 raw", f"mode {mode}")
        if not rows or first_row + rows > 0xFFFFFFFF:
            breach("9", "rows, at least 1; first row + rows fits into 32 bits", f"rows {first_row} + {rows}", 7)
        return cls(frame, index, plane, mode, first_row, rows, cursor.take(cursor.left))


# ---- ERROR and the empty ones (section 2) ------------------------------------------------------------------------

@dataclass
class Error:
    """ERROR, section 2. `decode` is lenient as the page asks; `strict` is what our ends write."""
    code: int
    text: str

    def encode(self) -> bytes:
        return struct.pack(">I", self.code) + put_text(self.text)

    @classmethod
    def decode(cls, payload: bytes) -> "Error":
        if len(payload) < 4:
            return cls(0, payload.decode(errors="replace"))
        code, text = struct.unpack(">I", payload[:4])[0], payload[4:]
        if len(text) >= 2 and struct.unpack(">H", text[:2])[0] <= len(text) - 2:
            text = text[2:2 + struct.unpack(">H", text[:2])[0]]
        return cls(code, "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in text.decode(errors="replace")))

    @classmethod
    def strict(cls, payload: bytes) -> "Error":
        cursor = Cursor(payload)
        error = cls(cursor.number("I"), cursor.text())
        if cursor.left:
            breach("2", "u32 code, str message: the sender gives up and closes", f"{cursor.left} bytes after ERROR")
        if len(error.text.encode()) > MAX_ERROR_TEXT or any(ord(c) < 32 or ord(c) == 127 for c in error.text):
            breach("2", "Our ends write the full form, at most 4096 bytes of text, control characters replaced by "
                   "spaces", f"text {error.text[:80]!r}")
        if not 1 <= error.code <= 7:
            breach("8", "protocol violation: a payload that contradicts itself, a message out of order",
                   f"code {error.code} is none of the seven")
        return error


def check_empty(kind: int, payload: bytes) -> None:
    """FLUSH, DONE and PACKET_ACK; PONG is held against the PINGs by whoever sent them."""
    if payload and kind == DONE:
        breach("2", "empty: no more output. It must be empty; existing decode clients fail otherwise",
               f"DONE of {len(payload)} bytes")
    if payload and kind in (FLUSH, PACKET_ACK):
        breach("2", "FLUSH, DONE, PING and PACKET_ACK are written empty", f"{name(kind)} of {len(payload)} bytes")


def check_ping(payload: bytes) -> None:
    """PING, where the sender is known to be held to the table of section 2."""
    if payload:
        breach("2", "PING | both | written empty", f"PING of {len(payload)} bytes")


def expected_pong(ping: bytes) -> tuple[bytes, ...]:
    """The payloads that a PONG to this PING may have (section 2)."""
    return (b"", ping) if len(ping) <= 64 else (b"",)
