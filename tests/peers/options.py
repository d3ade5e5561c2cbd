"""The options of CONFIGURE (section 4): their types, defaults and values."""
from __future__ import annotations

import re
from typing import Callable

from wire import Violation

EXTENSIONS = ("x.ack.v1", "x.slices.v1", "x.geometry.v1")
# What may be listed: these peers neither ask for the last three nor list them.
LISTED = EXTENSIONS + ("x.notice.v1", "x.wire.vtz.v1", "x.pace.v1")
QSCALE, GLOBAL_HEADER = 1 << 1, 1 << 22
LEVELS = (0, 13, 30, 31, 32, 40, 41, 42, 50, 51, 52)
SCALE_MODES = ("stretch", "resize", "scale", "aspect", "fit", "letterbox", "aspect_fill", "aspectfill", "fill", "crop")


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]+", text) or not low <= int(text) <= high:
            raise ValueError(f"not a decimal number from {low} to {high}")
        return int(text)
    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"none of {', '.join(choices)}")
        return text
    return parse


def _level(text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text) or int(text) not in LEVELS:
        raise ValueError(f"none of {LEVELS}")
    return int(text)


def _flags(text: str) -> int:
    value = _number(-(1 << 31), (1 << 32) - 1)(text)
    return value & 0xFFFFFFFF


def _share(text: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text) or not 0 <= float(text) <= 1:
        raise ValueError("not a number from 0.0 to 1.0")
    return float(text)


def _hex(digits: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", text):
            raise ValueError(f"not {digits} hex digits")
        return text
    return parse


def _flag(text: str) -> bool:
    return text != "0"


_u64, _u32, _u16, _u8 = (_number(0, (1 << bits) - 1) for bits in (64, 32, 16, 8))
_i32, _tri, _three = _number(-(1 << 31), (1 << 31) - 1), _number(-1, 1), _number(0, 2)
_codec = _one_of("h264", "hevc")

# key: (parser, default)
TABLE: dict[str, tuple[Callable[[str], object], object]] = {
    "mode": (_one_of("encode", "decode", "transcode"), "encode"),
    "wire_compression": (_three, 0),
    **{key: (_u64, 0) for key in ("bitrate", "maxrate", "bufsize")},
    **{key: (_i32, 0) for key in ("gop", "max_b_frames", "global_quality", "max_ref_frames")},
    "flags": (_flags, 0),
    "qmin": (_i32, -1), "qmax": (_i32, -1), "profile": (_i32, -99), "level": (_level, 0),
    "entropy": (_three, 0), "max_slice_bytes": (_i32, -1),
    **{key: (_flag, False) for key in ("allow_sw", "require_sw", "frames_before", "frames_after",
                                       "constant_bit_rate", "packet_ack.v1", *EXTENSIONS)},
    **{key: (_tri, -1) for key in ("realtime", "prio_speed", "power_efficient", "spatial_aq", "a53_cc",
                                   "decode_async")},
    "alpha_quality": (_share, 0.0),
    "color_range": (_u16, 0),
    **{key: (_u16, 2) for key in ("colorspace", "color_primaries", "color_trc")},
    "sar_num": (_u32, 0), "sar_den": (_u32, 0),
    "decode_reorder_depth": (_i32, 2),
    "out_codec": (_codec, None), "out_width": (_u32, 0), "out_height": (_u32, 0),
    "scale_mode": (_one_of(*SCALE_MODES), "stretch"),
    "mastering_display": (_hex(48), None), "content_light": (_hex(8), None), "chroma_location": (_u8, 0),
}


class Options:
    """All options with their values; `unknown` and `plain` (sent though it is the default) for who wants them."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.values: dict[str, object] = {key: default for key, (_, default) in TABLE.items()}
        self.unknown = [key for key, _ in pairs if key not in TABLE]
        self.plain: list[str] = []
        for key, text in pairs:  # "of a key that comes twice the last value holds"
            if key not in TABLE:
                continue
            parse, default = TABLE[key]
            try:
                self.values[key] = parse(text)
            except ValueError as error:
                raise Violation("4", "A value that does not parse is refused by an ERROR that names the key",
                                f"{key}={text!r}: {error}", 3 if key == "mode" else 1) from None
            if self.values[key] == default:
                self.plain.append(key)

    def __getitem__(self, key: str) -> object:
        return self.values[key]

    def asked(self) -> set[str]:
        """The extensions that were asked for."""
        return {key for key in EXTENSIONS if self.values[key]}
