"""Just enough H.264 and H.265: bit writer, parameter sets, grey pictures, avcC and hvcC, Annex B."""
from __future__ import annotations

import struct
from dataclasses import dataclass

from wire import breach

START_CODE = b"\0\0\0\1"
UUID = b"VTR1-mock-peer!!"  # of the SEI message that carries a text


class Bits:
    """A bit writer with Exp-Golomb codes."""

    def __init__(self) -> None:
        self.bits: list[str] = []

    def u(self, count: int, value: int) -> "Bits":
        if count:
            self.bits.append(format(value, f"0{count}b"))
        return self

    def ue(self, *values: int) -> "Bits":
        for value in values:
            text = format(value + 1, "b")
            self.bits.append("0" * (len(text) - 1) + text)
        return self

    def se(self, value: int) -> "Bits":
        return self.ue(2 * value - 1 if value > 0 else -2 * value)

    def flags(self, text: str) -> "Bits":
        self.bits.append(text)
        return self

    def trailing(self) -> bytes:
        """rbsp_trailing_bits (or byte_alignment, which is the same) and all as bytes."""
        text = "".join(self.bits) + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def nal(header: bytes, rbsp: bytes) -> bytes:
    """A NAL unit with emulation prevention."""
    out, zeros = bytearray(header), 0
    for byte in rbsp:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def unescape(unit: bytes) -> bytes:
    """A NAL unit without emulation prevention."""
    return unit.replace(b"\0\0\3", b"\0\0")


def h265_header(kind: int) -> bytes:
    return bytes([kind << 1, 1])


@dataclass
class Format:
    """What the fake encoder encodes."""
    width: int
    height: int
    depth: int = 8
    chroma: int = 1  # chroma_format_idc: 1 is 4:2:0, 2 is 4:2:2
    reorder: int = 0

    @property
    def blocks(self) -> tuple[int, int]:
        """16x16 blocks across and down."""
        return (self.width + 15) // 16, (self.height + 15) // 16

    @property
    def crop(self) -> tuple[int, int]:
        """Right and bottom crop in units of chroma samples."""
        wide, high = self.blocks
        return (wide * 16 - self.width) // 2, (high * 16 - self.height) // (2 if self.chroma == 1 else 1)


# ---- H.264 -------------------------------------------------------------------------------------------------------

def h264_sets(fmt: Format) -> list[bytes]:
    """SPS and PPS: CAVLC, 4 bits of frame_num, 8 bits of picture order count."""
    profile = 77 if fmt.depth == 8 else 110 if fmt.chroma == 1 else 122
    b = Bits().ue(0)
    if profile > 77:
        b.ue(fmt.chroma, fmt.depth - 8, fmt.depth - 8).flags("00")
    wide, high = fmt.blocks
    b.ue(0, 0, 4, 1).flags("0").ue(wide - 1, high - 1).flags("11")
    right, bottom = fmt.crop
    b.u(1, int(bool(right or bottom)))
    if right or bottom:
        b.ue(0, right, 0, bottom)
    b.flags("1" "0" "0" "0" "0" "0" "0" "0" "0" "1" "1")  # VUI with nothing but its bitstream restrictions
    b.ue(0, 0, 10, 10, fmt.reorder, max(fmt.reorder, 1))
    sps = bytes([profile, 0, 40]) + b.trailing()
    pps = Bits().ue(0, 0).flags("00").ue(0, 0, 0).flags("000").se(0).se(0).se(0).flags("000").trailing()
    return [nal(b"\x67", sps), nal(b"\x68", pps)]


def h264_slice(fmt: Format, idr: bool, reference: bool, frame_num: int, poc: int, idr_id: int) -> bytes:
    """A grey IDR picture (every macroblock Intra16x16, DC, no coefficients) or one that only skips."""
    count = fmt.blocks[0] * fmt.blocks[1]
    b = Bits().ue(0, 7 if idr else 5, 0).u(4, frame_num % 16)
    if idr:
        b.ue(idr_id)
    b.u(8, 2 * poc % 256)
    if not idr:
        b.flags("00")
    if reference:
        b.flags("00" if idr else "0")
    b.se(0)
    if idr:
        b.flags("00100111" * count)  # mb_type 3, chroma DC, mb_qp_delta 0, no luma DC coefficients
    else:
        b.ue(count)
    header = 0x65 if idr else 0x41 if reference else 0x01
    return nal(bytes([header]), b.trailing())


def avcc(sets: list[bytes], fmt: Format) -> bytes:
    """An AVCDecoderConfigurationRecord (ISO 14496-15)."""
    sps, pps = sets
    out = b"\1" + sps[1:4] + b"\xff\xe1" + struct.pack(">H", len(sps)) + sps + b"\1" + struct.pack(">H", len(pps)) + pps
    if sps[1] > 77:
        out += bytes([0xFC | fmt.chroma, 0xF8 | fmt.depth - 8, 0xF8 | fmt.depth - 8, 0])
    return out


# ---- H.265 -------------------------------------------------------------------------------------------------------

def profile_tier_level(fmt: Format) -> bytes:
    """The 12 bytes that VPS, SPS and hvcC share."""
    profile = 4 if fmt.chroma == 2 else 2 if fmt.depth > 8 else 1
    compatible = {1: 3 << 29, 2: 1 << 29, 4: 1 << 27}[profile]
    more = "1101100" "01" if profile == 4 else "0" * 9
    flags = "1001" + more + "0" * 35
    return bytes([profile]) + struct.pack(">I", compatible) + int(flags, 2).to_bytes(6, "big") + bytes([123])


def h265_sets(fmt: Format) -> list[bytes]:
    """VPS, SPS and PPS: coding and transform blocks of 16x16 only, no in-loop tools but deblocking."""
    tier = "".join(format(byte, "08b") for byte in profile_tier_level(fmt))
    buffers = (fmt.reorder + 2, fmt.reorder, 0)
    vps = Bits().u(4, 0).flags("11").u(6, 0).u(3, 0).flags("1").u(16, 0xFFFF).flags(tier).flags("1").ue(*buffers)
    vps.u(6, 0).ue(0).flags("00")
    wide, high = fmt.blocks
    sps = Bits().u(4, 0).u(3, 0).flags("1").flags(tier).ue(0, fmt.chroma, wide * 16, high * 16)
    right, bottom = fmt.crop
    sps.u(1, int(bool(right or bottom)))
    if right or bottom:
        sps.ue(0, right, 0, bottom)
    sps.ue(fmt.depth - 8, fmt.depth - 8, 4).flags("1").ue(*buffers)
    sps.ue(1, 0, 0, 2, 0, 0).flags("0000").ue(0).flags("00000")
    pps = Bits().ue(0, 0).flags("00").u(3, 0).flags("00").ue(0, 0).se(0).flags("000").se(0).se(0)
    pps.flags("0" * 10).ue(0).flags("00")
    return [nal(h265_header(kind), bits.trailing()) for kind, bits in ((32, vps), (33, sps), (34, pps))]


def hvcc(sets: list[bytes], fmt: Format) -> bytes:
    """An HEVCDecoderConfigurationRecord (ISO 14496-15)."""
    out = b"\1" + profile_tier_level(fmt) + b"\xf0\0\xfc" + bytes([0xFC | fmt.chroma, 0xF8 | fmt.depth - 8,
                                                                   0xF8 | fmt.depth - 8]) + b"\0\0\x0f\3"
    for kind, unit in zip((32, 33, 34), sets):
        out += bytes([0x80 | kind]) + struct.pack(">HH", 1, len(unit)) + unit
    return out


def h265_slice(fmt: Format, idr: bool, reference: bool, poc: int, ref_poc: int) -> bytes:
    """A grey IDR picture or one that only skips, from the picture of `ref_poc`."""
    b = Bits().flags("1")
    if idr:
        b.flags("0")
    b.ue(0, 2 if idr else 1)
    if not idr:
        distance = poc - ref_poc
        b.u(8, poc % 256).flags("0")
        b.ue(1, 0) if distance > 0 else b.ue(0, 1)
        b.ue(abs(distance) - 1).flags("1").flags("0").ue(4)
    b.se(0)
    wide, high = fmt.blocks
    header = h265_header(19 if idr else 1 if reference else 0)
    return nal(header, b.trailing() + cabac_blocks(wide, high, idr))


# rangeTabLps and transIdxLps (H.265 9.3.4.3.2), four bytes and one byte a state
_RANGE_LPS = bytes.fromhex(
    "80b0d0f0 80a7c5e3 809ebbd8 7b96b2cd 748ea9c3 6f87a0b9 698098af 647a90a6 5f74899e 5a6e8296 55687b8e 51637587"
    "4d5e6f80 4959697a 45556474 42505f6e 3e4c5a68 3b485663 3845515e 35414d59 333e4955 303b4550 2e38424c 2b353f48"
    "29323b45 27303841 252d363e 232b333b 21293038 20272e35 1e252b32 1d232930 1b21272d 1a1f252b 181e2329 171c2127"
    "161b2025 151a1e23 14181d21 13171b1f 12161a1e 1115191c 1014171b 0f131619 0e121518 0e111417 0d101316 0c0f1215"
    "0c0e1114 0b0e1013 0b0d0f12 0a0c0f11 0a0c0e10 090b0d0f 090b0c0e 080a0c0e 08090b0d 07090b0c 07090a0c 07080a0b"
    "0608090b 0607090a 06070809 02020202")
_NEXT_LPS = bytes([
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16,
    18, 18, 19, 19, 21, 21, 22, 22, 23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30,
    31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63])


class Cabac:
    """The arithmetic encoder of H.265 9.3.4.6 (there described for H.264: 9.3.4.2)."""

    def __init__(self) -> None:
        self.low, self.range, self.outstanding, self.first = 0, 510, 0, True
        self.out: list[str] = []
        self.state: dict[str, tuple[int, int]] = {}

    def context(self, label: str, init: int) -> None:
        """A context with its initValue for SliceQpY 26."""
        slope, offset = (init >> 4) * 5 - 45, ((init & 15) << 3) - 16
        pre = min(max(((slope * 26) >> 4) + offset, 1), 126)
        self.state[label] = (pre - 64, 1) if pre > 63 else (63 - pre, 0)

    def _put(self, bit: int) -> None:
        if self.first:
            self.first = False
        else:
            self.out.append("01"[bit])
        self.out.append("10"[bit] * self.outstanding)
        self.outstanding = 0

    def _renorm(self) -> None:
        while self.range < 256:
            self._shift()
            self.range <<= 1

    def _shift(self) -> None:
        if self.low < 256:
            self._put(0)
        elif self.low >= 512:
            self.low -= 512
            self._put(1)
        else:
            self.low -= 256
            self.outstanding += 1
        self.low <<= 1

    def bin(self, label: str, value: int) -> None:
        state, likely = self.state[label]
        lps = _RANGE_LPS[4 * state + (self.range >> 6 & 3)]
        self.range -= lps
        if value == likely:
            state = min(state + 1, 62)
        else:
            self.low += self.range
            self.range = lps
            if state == 0:
                likely = 1 - likely
            state = _NEXT_LPS[state]
        self.state[label] = (state, likely)
        self._renorm()

    def bypass_zero(self) -> None:
        """A bypass bin of 0."""
        self.low <<= 1
        if self.low >= 1024:
            self.low -= 1024
            self._put(1)
        elif self.low < 512:
            self._put(0)
        else:
            self.low -= 512
            self.outstanding += 1

    def terminate(self, end: bool) -> None:
        self.range -= 2
        if end:
            self.low += self.range
            self.range = 2
            self._renorm()
            self._put(self.low >> 9 & 1)
            self.out.append(format(self.low >> 7 & 3 | 1, "02b"))
        else:
            self._renorm()

    def bytes(self) -> bytes:
        """All bits; the last one written by the flush is the stop bit of the RBSP."""
        text = "".join(self.out)
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


_block_cache: dict[tuple[int, int, bool], bytes] = {}


def cabac_blocks(wide: int, high: int, intra: bool) -> bytes:
    """Slice data: every coding tree unit intra DC without residual, or skipped."""
    key = (wide, high, intra)
    if key in _block_cache:
        return _block_cache[key]
    coder = Cabac()
    inits = {"part": 184, "prev": 184, "chroma": 63, "cb": 94, "luma": 141, "skip0": 197, "skip1": 185, "skip2": 201}
    for label, init in inits.items():
        coder.context(label, init)
    for at in range(wide * high):
        if intra:
            coder.bin("part", 1)
            coder.bin("prev", 1)
            coder.bypass_zero()  # mpm_idx 0
            coder.bin("chroma", 0)
            coder.bin("cb", 0)
            coder.bin("cb", 0)
            coder.bin("luma", 0)
        else:
            coder.bin(f"skip{(at % wide > 0) + (at >= wide)}", 1)
        coder.terminate(at == wide * high - 1)
    _block_cache[key] = coder.bytes()
    return _block_cache[key]


# ---- SEI message with a text -------------------------------------------------------------------------------------

def text_sei(codec: str, text: str) -> bytes:
    """user_data_unregistered with UUID and an ASCII text of less than 239 characters."""
    body = UUID + text.encode("ascii")
    rbsp = b"\5" + bytes([len(body)]) + body + b"\x80"
    return nal(b"\6" if codec == "h264" else h265_header(39), rbsp)


def find_text(data: bytes) -> str | None:
    """The text of the SEI message in an access unit, if there is one."""
    at = data.find(UUID)
    if at < 1:
        return None
    return data[at + 16:at + data[at - 1]].decode("ascii", "replace")


# ---- Annex B -----------------------------------------------------------------------------------------------------

def split(data: bytes) -> list[tuple[int, int, bytes]]:
    """(offset of the start code, its length 3 or 4, NAL unit without trailing zeros) of a byte stream."""
    found, at = [], data.find(b"\0\0\1")
    while at >= 0:
        found.append(at)
        at = data.find(b"\0\0\1", at + 3)
    out = []
    for at, following in zip(found, found[1:] + [len(data)]):
        four = at > 0 and data[at - 1] == 0
        out.append((at - four, 3 + four, data[at + 3:following].rstrip(b"\0")))
    return out


def kind(unit: bytes, codec: str) -> int:
    return unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63


def set_kinds(codec: str) -> tuple[int, ...]:
    return (7, 8) if codec == "h264" else (32, 33, 34)


def is_slice(unit: bytes, codec: str) -> bool:
    return 1 <= kind(unit, codec) <= 5 if codec == "h264" else kind(unit, codec) < 32


def is_key(unit: bytes, codec: str) -> bool:
    return kind(unit, codec) == 5 if codec == "h264" else 16 <= kind(unit, codec) <= 23


def check_annexb(data: bytes, codec: str, long_codes: bool) -> list[bytes]:
    """The NAL units of a PACKET, section 6. `long_codes`: the sender is a server that must write 4-byte ones."""
    units = split(data)
    if not units or data[:units[0][0]].strip(b"\0"):
        breach("6", "The data is Annex B (H.264 and H.265 Annex B)", f"it begins with {data[:8].hex()}")
    for _, length, unit in units:
        if long_codes and length != 4:
            breach("6", "A server writes 4-byte start codes", f"a 3-byte one before {unit[:4].hex()}")
        if len(unit) < (1 if codec == "h264" else 2) or unit[0] & 0x80:
            breach("6", "The data is Annex B (H.264 and H.265 Annex B)", f"NAL unit {unit[:4].hex()}")
    return [unit for _, _, unit in units]


def access_units(data: bytes, codec: str) -> list[bytes]:
    """An elementary stream cut into access units."""
    units, cuts, coded = split(data), [], False
    lead = (6, 7, 8, 9) if codec == "h264" else (32, 33, 34, 35, 39)
    for offset, _, unit in units:
        if len(unit) < 3:
            continue  # no slice and no parameter set is so short
        first = is_slice(unit, codec) and bool(unit[1 if codec == "h264" else 2] & 0x80)
        if not cuts or coded and (first or kind(unit, codec) in lead):
            cuts.append(offset)
            coded = False
        coded = coded or is_slice(unit, codec)
    return [data[a:b] for a, b in zip(cuts, cuts[1:] + [len(data)])]


def parse_avcc(record: bytes) -> list[bytes]:
    """The parameter sets of an avcC record; a Violation if it is not one."""
    try:
        if record[0] != 1 or record[4] & 0xFC != 0xFC or record[5] & 0xE0 != 0xE0:
            raise ValueError("its fixed bytes")
        sets, at = [], 6
        for count_at in (5, None):
            count = record[5] & 31 if count_at else record[at]
            at += 0 if count_at else 1
            for _ in range(count):
                size = struct.unpack_from(">H", record, at)[0]
                unit = record[at + 2:at + 2 + size]
                if len(unit) != size or not size or kind(unit, "h264") != (7 if count_at else 8):
                    raise ValueError(f"set of {size} bytes at {at}")
                sets.append(unit)
                at += 2 + size
        tail = len(record) - at
        if record[1] in (66, 77, 88) and tail or record[1] in (100, 110, 122, 144) and tail not in (0, 4):
            raise ValueError(f"{tail} bytes at its end")
    except (IndexError, struct.error, ValueError) as error:
        breach("4", "the bare avcC or hvcC record (ISO 14496-15)", f"avcC {record[:16].hex()}: {error}")
    return sets


def parse_hvcc(record: bytes) -> list[bytes]:
    """The parameter sets of an hvcC record; a Violation if it is not one."""
    if len(record) < 23:
        breach("4", "clients refuse an hvcC of less than 23 bytes", f"{len(record)} bytes")
    try:
        if record[0] != 1:
            raise ValueError(f"version {record[0]}")
        sets, at = [], 23
        for _ in range(record[22]):
            array, count = struct.unpack_from(">BH", record, at)
            at += 3
            for _ in range(count):
                size = struct.unpack_from(">H", record, at)[0]
                unit = record[at + 2:at + 2 + size]
                if len(unit) != size or size < 3 or kind(unit, "hevc") != array & 63:
                    raise ValueError(f"set of {size} bytes at {at}")
                sets.append(unit)
                at += 2 + size
        if at != len(record):
            raise ValueError(f"{len(record) - at} bytes at its end")
    except (IndexError, struct.error, ValueError) as error:
        breach("4", "the bare avcC or hvcC record (ISO 14496-15)", f"hvcC {record[:16].hex()}: {error}")
    return sets


def parse_record(record: bytes, codec: str) -> list[bytes]:
    """The sets of a bare record, as CONFIGURE_ACK carries it (section 4)."""
    if record[4:8] in (b"avcC", b"hvcC"):
        breach("4", "the bare avcC or hvcC record (ISO 14496-15), never inside a box header", record[:8].hex())
    return parse_avcc(record) if codec == "h264" else parse_hvcc(record)


def parse_extradata(data: bytes, codec: str) -> list[bytes]:
    """The sets of CONFIGURE's extradata: a record, one in a box header, or Annex B (section 4)."""
    if data[:3] == b"\0\0\1" or data[:4] == START_CODE:
        units = [unit for _, _, unit in split(data)]
        if any(len(unit) < 3 or kind(unit, codec) not in set_kinds(codec) for unit in units):
            breach("4", "with or without its 8-byte box header, or Annex B parameter sets",
                   f"NAL units {[unit[:2].hex() for unit in units]}")
        return units
    if data[4:8] == (b"avcC" if codec == "h264" else b"hvcC"):
        if struct.unpack(">I", data[:4])[0] != len(data):
            breach("4", "with or without its 8-byte box header, or Annex B parameter sets", "box of another length")
        data = data[8:]
    return parse_record(data, codec)


def join(units: list[bytes]) -> bytes:
    return b"".join(START_CODE + unit for unit in units)
