"""The codec that is none: packets that carry a hash, pictures that follow from a hash."""
from __future__ import annotations

import heapq
import hashlib
from dataclasses import dataclass

import h26x
import planes
from wire import Packet

PREFIX = "planes-sha256:"


@dataclass
class _Waiting:
    pts: int
    duration: int
    key: bool
    text: str


class Encoder:
    """Access units of grey pictures that a real decoder takes, each with a text in an SEI message.

    With `reorder` N, frames come in groups of N+1: the last is coded first, the others refer to it. So N frames
    are held back, and dts is the pts of N frames earlier."""

    def __init__(self, codec: str, width: int, height: int, fmt: int = 1, gop: int = 30, reorder: int = 0,
                 in_band: bool = True, short_codes: bool = False) -> None:
        deep = fmt in planes.DEEP
        self.codec, self.gop, self.reorder, self.in_band = codec, max(gop, 1), reorder, in_band
        self.start = b"\0\0\1" if short_codes else h26x.START_CODE
        self.format = h26x.Format(width, height, 10 if deep else 8, 2 if fmt == 5 else 1, reorder)
        self.sets = h26x.h264_sets(self.format) if codec == "h264" else h26x.h265_sets(self.format)
        self.record = (h26x.avcc if codec == "h264" else h26x.hvcc)(self.sets, self.format)
        self.group: list[_Waiting] = []
        self.early: list[_Waiting] = []  # before dts can start: none with reorder 0
        self.pts: list[int] = []  # of all frames, in the order of showing
        self.sent = self.since_key = self.frame_num = self.idr = self.ref = 0
        self.first_duration = 1

    def encode(self, pts: int, duration: int, key: bool, text: str) -> list[Packet]:
        """Takes one frame, gives what is ready."""
        if not self.pts:
            self.first_duration = max(duration, 1)
        key = key or not self.pts or self.since_key >= self.gop
        self.since_key = 1 if key else self.since_key + 1
        self.pts.append(pts)
        out = self.flush() if key else []
        self.group.append(_Waiting(pts, duration, key, text))
        return out + (self.flush() if key or len(self.group) > self.reorder else [])

    def flush(self) -> list[Packet]:
        """Gives what is held back."""
        group, self.group = self.group, []
        order = group[-1:] + group[:-1]
        return [self._packet(frame, frame is order[0]) for frame in order]

    def _packet(self, frame: _Waiting, reference: bool) -> Packet:
        codec, fmt = self.codec, self.format
        index = self.pts.index(frame.pts, max(0, self.sent - self.reorder - 1))
        if frame.key:
            self.key_index, self.frame_num, self.ref, self.idr = index, 0, 0, 1 - self.idr
        poc = index - self.key_index
        if codec == "h264":
            piece = h26x.h264_slice(fmt, frame.key, reference, self.frame_num, poc, self.idr)
        else:
            piece = h26x.h265_slice(fmt, frame.key, reference, poc, self.ref)
        if reference:
            self.frame_num, self.ref = self.frame_num + 1, poc
        units = (self.sets if frame.key and self.in_band else []) + [h26x.text_sei(codec, frame.text), piece]
        at = self.sent - self.reorder
        dts = self.pts[at] if at >= 0 else self.pts[0] + at * self.first_duration
        self.sent += 1
        return Packet(frame.pts, dts, frame.duration, int(frame.key), b"".join(self.start + unit for unit in units))


class Decoder:
    """One picture for each packet: `planes.picture` with the packet's data as seed.

    `depth` is how many pictures wait to be put into the order of showing; None is decoding order."""

    def __init__(self, depth: int | None) -> None:
        self.depth, self.heap, self.count = depth, [], 0
        self.last: int | None = None

    def decode(self, packet: Packet) -> list[Packet]:
        """Takes one packet, gives those whose pictures are to be shown now."""
        if self.depth is None:
            return [packet]
        out = self.flush() if packet.key and self.last is not None and packet.pts < self.last else []
        heapq.heappush(self.heap, (packet.pts, self.count, packet))
        self.count += 1
        while len(self.heap) > self.depth:
            out.append(heapq.heappop(self.heap)[2])
        if out:
            self.last = out[-1].pts
        return out

    def flush(self) -> list[Packet]:
        out = [heapq.heappop(self.heap)[2] for _ in range(len(self.heap))]
        self.last = None
        return out


def seed(data: bytes) -> bytes:
    """The seed of the picture for a packet: that of its NAL units, since splitters differ about the zeros between."""
    return hashlib.sha256(h26x.join([unit for _, _, unit in h26x.split(data)])).digest()


def frame_seed(index: int) -> bytes:
    """The seed of the picture that the client uploads as number `index`."""
    return b"frame" + index.to_bytes(8, "big")
