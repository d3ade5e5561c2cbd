"""Pictures: sizes of planes, compression, and cutting into slices and back (sections 5, 8 and 9)."""
from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Sequence

import wire
from wire import breach

FORMATS = {"nv12": 1, "p010": 2, "bgra": 3, "ayuv": 4, "p210": 5}
FORMAT_NAMES = {number: text for text, number in FORMATS.items()}
DEEP = (2, 5)  # 16 bits a sample, the value in the high 10
MAX_SIZE = 16384
MAX_PADDING = 32768
SIDE_DATA_MAX = 1048705
GEOMETRY_TYPE = 0x56540001
Rows = list[bytes]  # planes, each all its rows without padding


def layout(fmt: int, width: int, height: int, floor: bool = False) -> list[tuple[int, int]]:
    """(row bytes, rows) of each plane, section 5. `floor` is the early clients' rounding of chroma rows."""
    half_w, half_h = (width + 1) // 2, height // 2 if floor else (height + 1) // 2
    return {1: [(width, height), (2 * half_w, half_h)],
            2: [(2 * width, height), (4 * half_w, half_h)],
            3: [(4 * width, height)],
            4: [(4 * width, height)],
            5: [(2 * width, height), (4 * half_w, height)]}[fmt]


def bound(size: int) -> int:
    """e(n), section 8."""
    return size + size // 128 + 1024


def limit(kind: int, fmt: int | None = None, width: int = 0, height: int = 0) -> int:
    """The longest payload of a type, section 8; without a format those before CONFIGURE."""
    if kind in (wire.HELLO, wire.HELLO_ACK):
        return 65536
    if kind in (wire.CONFIGURE, wire.CONFIGURE_ACK):
        return 4194304
    if kind == wire.FRAME_BEGIN:
        return 1114277
    if kind == wire.ACK:
        return 8
    if kind not in (wire.FRAME, wire.PACKET, wire.SLICE):
        return wire.SMALL
    if fmt is None:
        return wire.BULK
    planes = layout(fmt, width, height)
    if kind == wire.FRAME:
        size = 21 + SIDE_DATA_MAX + sum(12 + bound((row + MAX_PADDING) * rows) for row, rows in planes)
    elif kind == wire.PACKET:
        wide, high = -(-width // 64) * 64, -(-height // 64) * 64
        size = 32 + SIDE_DATA_MAX + 1048576 + 2 * sum(row * rows for row, rows in layout(fmt, wide, high))
    else:
        size = 16 + bound(max(row * rows for row, rows in planes))
    return min(size, wire.BULK)


# ---- compression -------------------------------------------------------------------------------------------------

def compress(data: bytes, how: int) -> bytes:
    """0 none, 1 LZ4 block, 2 Zstandard frame with its content size (section 5)."""
    if how == 1:
        import lz4.block
        return lz4.block.compress(data, store_size=False)
    if how == 2:
        import zstandard
        return zstandard.ZstdCompressor(level=1).compress(data)
    return data


def decompress(data: bytes, how: int, size: int, declares_size: bool = False) -> bytes:
    """Exactly `size` bytes, or a Violation. `declares_size`: the sender is one of ours."""
    if how == 0:
        if len(data) != size:
            breach("5", "data: stride × height bytes, or the compressed form of exactly that many",
                   f"{len(data)} raw bytes for {size}")
        return data
    if not data or len(data) > bound(size):
        breach("5", "It may be larger than raw, by at most n/128 + 1024 bytes for n raw ones, and is never empty",
               f"{len(data)} compressed bytes for {size} raw ones")
    out = _unlz4(data, size) if how == 1 else _unzstd(data, size, declares_size)
    if len(out) != size:
        breach("5", "It unpacks to exactly stride × height bytes, padding included",
               f"{len(out)} bytes or more for {size}", 7)
    return out


def _unlz4(data: bytes, size: int) -> bytes:
    import lz4.block
    try:
        return lz4.block.decompress(data, uncompressed_size=size)
    except (lz4.block.LZ4BlockError, ValueError) as error:
        breach("5", "a single LZ4 block (no frame, no length before it)", str(error), 7)


def _unzstd(data: bytes, size: int, declares_size: bool) -> bytes:
    import zstandard
    try:
        if data[:4] != b"\x28\xb5\x2f\xfd":
            raise zstandard.ZstdError(f"it begins with {data[:4].hex()}")
        declared = zstandard.get_frame_parameters(data).content_size
        if declares_size and declared == zstandard.CONTENTSIZE_UNKNOWN:
            breach("5", "ours declare their content size, others need not", "no content size")
        if declared not in (zstandard.CONTENTSIZE_UNKNOWN, size):
            breach("5", "It unpacks to exactly stride × height bytes, padding included",
                   f"declared are {declared} bytes, not {size}", 7)
        unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        out = unpacker.decompress(data)
    except zstandard.ZstdError as error:
        breach("5", "a single Zstandard frame (not more than one, and nothing after it", str(error), 7)
    if not unpacker.eof or unpacker.unused_data:
        breach("5", "a single Zstandard frame (not more than one, and nothing after it",
               f"whole: {unpacker.eof}, bytes after it: {len(unpacker.unused_data)}", 7)
    return out


# ---- whole pictures ----------------------------------------------------------------------------------------------

def pack(planes: Rows, shape: Sequence[tuple[int, int]], how: int, padding: int = 0) -> list[wire.Plane]:
    """Planes for a FRAME, each row followed by `padding` bytes of 0xEE."""
    out = []
    for data, (row, rows) in zip(planes, shape):
        if padding:
            data = b"".join(data[i:i + row] + b"\xee" * padding for i in range(0, row * rows, row))
        out.append(wire.Plane(row + padding, rows, compress(data, how)))
    return out


def unpack(frame: wire.Frame, fmt: int, width: int, height: int, how: int, floor_ok: bool = False,
           padding_ok: bool = True, ours: bool = False) -> Rows:
    """The rows of a FRAME without padding, everything checked against CONFIGURE (section 5)."""
    shape = layout(fmt, width, height)
    floored = layout(fmt, width, height, floor=True)
    if len(frame.planes) != len(shape):
        breach("5", "It checks number of planes, strides, heights and lengths against CONFIGURE",
               f"{len(frame.planes)} planes, {len(shape)} belong to {FORMAT_NAMES[fmt]}")
    out: Rows = []
    for index, (plane, (row, rows), (_, less)) in enumerate(zip(frame.planes, shape, floored)):
        if plane.height != rows and not (floor_ok and plane.height == less):
            breach("5", "an odd size keeps its last chroma sample",
                   f"plane {index} has {plane.height} rows, not {rows}")
        if not row <= plane.stride <= row + MAX_PADDING:
            breach("5", "The stride is at least the row's bytes, and at most 32,768 more",
                   f"plane {index}: stride {plane.stride} for rows of {row} bytes")
        if not padding_ok and plane.stride != row:
            breach("5", "Our client sends rows without padding", f"plane {index}: stride {plane.stride}, row {row}")
        data = decompress(plane.data, how, plane.stride * plane.height, ours)
        if plane.stride != row:
            data = b"".join(data[i:i + row] for i in range(0, len(data), plane.stride))
        out.append(data)
    return out


def digest(planes: Rows) -> str:
    """sha256 of all planes' rows without padding, one plane after the other."""
    total = hashlib.sha256()
    for plane in planes:
        total.update(plane)
    return total.hexdigest()


def picture(fmt: int, width: int, height: int, seed: bytes, floor: bool = False) -> Rows:
    """A picture that follows from `seed`: byte c of row r of plane p is D[(r + c) % 32] with
    D = sha256(sha256(seed) + bytes([p])); of 16-bit samples the low 6 bits are then cleared."""
    out: Rows = []
    base = hashlib.sha256(seed).digest()
    for index, (row, rows) in enumerate(layout(fmt, width, height, floor)):
        pattern = hashlib.sha256(base + bytes([index])).digest() * (row // 32 + 2)
        cycle = []
        for shift in range(min(32, rows)):
            line = bytearray(pattern[shift:shift + row])
            if fmt in DEEP:
                line[0::2] = bytes(byte & 0xC0 for byte in line[0::2])
            cycle.append(bytes(line))
        out.append(b"".join(cycle) * (rows // 32) + b"".join(cycle[:rows % 32]) if rows >= 32 else b"".join(cycle))
    return out


# ---- slices (section 9) ------------------------------------------------------------------------------------------

def cut(planes: Rows, shape: Sequence[tuple[int, int]], codec: int, frame: int,
        strip: int = 128) -> list[wire.Slice]:
    """A picture in slices of about `strip` rows, raw where compression does not make them smaller."""
    strip = max(strip, -(-sum(rows for _, rows in shape) // 200))
    out: list[wire.Slice] = []
    for plane, (row, rows) in enumerate(shape):
        for first in range(0, rows, strip):
            count = min(strip, rows - first)
            raw = planes[plane][first * row:(first + count) * row]
            small = compress(raw, codec)
            mode, data = (0, small) if codec and len(small) < len(raw) else (1, raw)
            out.append(wire.Slice(frame, len(out), plane, mode, first, count, data))
    return out


class Assembler:
    """One picture from its FRAME_BEGIN and SLICEs, every rule of section 9 checked."""

    def __init__(self, begin: wire.FrameBegin, fmt: int, width: int, height: int, ours: bool = False) -> None:
        begin.check_session()
        self.begin, self.ours = begin, ours
        self.shape = layout(fmt, width, height)
        if begin.planes != len(self.shape):
            breach("9", "number of planes, as in FRAME", f"{begin.planes} planes, {len(self.shape)} belong there")
        rows = sum(count for _, count in self.shape)
        if not len(self.shape) <= begin.slices <= rows:
            breach("9", "at least as many slices as planes, and no more than rows",
                   f"{begin.slices} slices for {len(self.shape)} planes and {rows} rows")
        self.seen: set[int] = set()
        self.covered = [bytearray(count) for _, count in self.shape]
        self.data = [bytearray(row * count) for row, count in self.shape]

    def add(self, piece: wire.Slice) -> bool:
        """Takes one SLICE; True when it was the last."""
        if piece.frame != self.begin.frame:
            breach("9", "frame id, of the FRAME_BEGIN before it", f"{piece.frame}, not {self.begin.frame}")
        if piece.index >= self.begin.slices or piece.index in self.seen:
            breach("9", "Each index from 0 up to the number comes once", f"index {piece.index} again or too high")
        if piece.plane >= len(self.shape):
            breach("9", "plane, from 0", f"plane {piece.plane} of {len(self.shape)}")
        row, rows = self.shape[piece.plane]
        last = piece.first_row + piece.rows
        if last > rows or any(self.covered[piece.plane][piece.first_row:last]):
            breach("9", "Together they cover every row of every plane exactly once",
                   f"rows {piece.first_row} to {last - 1} of plane {piece.plane} come twice or are not there")
        how = self.begin.codec if piece.mode == 0 else 0
        if self.ours and how and len(piece.data) >= row * piece.rows:
            breach("9", "send a slice raw (mode 1) where compression does not make it smaller",
                   f"{len(piece.data)} bytes for {row * piece.rows}")
        raw = decompress(piece.data, how, row * piece.rows, self.ours)
        self.seen.add(piece.index)
        self.covered[piece.plane][piece.first_row:last] = b"\1" * piece.rows
        self.data[piece.plane][piece.first_row * row:last * row] = raw
        if len(self.seen) < self.begin.slices:
            return False
        if any(0 in plane for plane in self.covered):
            breach("9", "Together they cover every row of every plane exactly once", "rows are missing at the end")
        return True

    def rows(self) -> Rows:
        return [bytes(plane) for plane in self.data]


# ---- geometry (section 9) ----------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Geometry:
    """The record of x.geometry.v1."""
    width: int
    height: int
    format: int
    range: int = 0
    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    chroma: int = 0
    fields: int = 0
    sar: tuple[int, int] = (0, 0)

    def encode(self) -> bytes:
        return struct.pack(">IIBBBBBBBBII", self.width, self.height, self.format, self.range, self.primaries,
                           self.transfer, self.matrix, self.chroma, self.fields, 0, *self.sar)

    @classmethod
    def decode(cls, data: bytes) -> "Geometry":
        if len(data) != 24:
            breach("9", "a side data record of type 0x56540001 with this payload, exactly 24 bytes",
                   f"{len(data)} bytes")
        width, height, fmt, rng, prim, trc, mat, chroma, fields, zero, num, den = struct.unpack(">IIBBBBBBBBII", data)
        if not (1 <= width <= MAX_SIZE and 1 <= height <= MAX_SIZE):
            breach("9", "Sizes are 1 to 16,384 each way", f"{width}x{height}")
        if fmt not in FORMAT_NAMES:
            breach("9", "pixel format, as in CONFIGURE", f"format {fmt}")
        if rng > 2:
            breach("9", "colour range: AVCOL_RANGE_*, 0 to 2; 0 not told", f"range {rng}")
        if fields > 2:
            breach("9", "fields: 0 progressive or not told, 1 top field first, 2 bottom field first",
                   f"fields {fields}")
        if chroma > 6:
            breach("9", "chroma location: AVCHROMA_LOC_*, 0 to 6; 0 not told", f"chroma location {chroma}")
        if max(num, den) > 0x7FFFFFFF:
            breach("9", "sample aspect ratio, numerator, at most 2³¹ − 1; 0 not told", f"{num}:{den}")
        if zero:
            breach("9", "or another byte than 0 where the table has 0", f"byte 15 is {zero}")
        return cls(width, height, fmt, rng, prim, trc, mat, chroma, fields, (num, den))
