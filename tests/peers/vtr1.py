#!/usr/bin/python3
"""VTR1 peers for tests: `vtr1.py serve`, `vtr1.py encode HOST:PORT`, `vtr1.py decode HOST:PORT`. See README.md."""
from __future__ import annotations

import argparse
import sys

import client
import planes
import server

GENERATIONS = ("early", "current", "ours")
Switch = argparse.BooleanOptionalAction


def serve_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--generation", choices=GENERATIONS, default="ours", help="whose habits to have")
    add("--bind", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=0, help="port; 0 takes a free one")
    add("--sessions", type=int, default=1, help="exit after so many sessions")
    add("--lifetime", type=float, default=120.0, help="seconds to wait for sessions to begin")
    add("--max-sessions", type=int, default=4, help="more at a time are busy")
    add("--token", default="", help="shared secret; empty takes any")
    add("--capabilities", help="exactly these, comma-separated, in place of the generation's")
    add("--extensions", default="ack,slices,geometry", help="ours: which of section 9 to list")
    add("--side-data", action="store_true", help="list side_data.v2")
    add("--settle", type=float, default=20.0, help="ms to look for messages before their turn")
    add("--reorder", type=int, help="encode: frames held back for reordering; decode: pictures held back")
    add("--codec-delay", type=float, default=0.0, help="ms that the codec takes for each input")
    add("--configure-delay", type=float, default=0.0, help="ms before CONFIGURE_ACK")
    add("--drain-delay", type=float, default=0.0, help="ms between the last output and DONE")
    add("--stall-at", type=int, default=0, help="input (from 1) at which the codec stalls")
    add("--stall", type=float, default=3000.0, help="ms of that stall")
    add("--drop", type=int, default=0, help="input (from 1) that is dropped without a word")
    add("--bare-close-at", type=int, default=0, help="input (from 1) at which to close without ERROR")
    add("--error-at", type=int, default=0, help="input (from 1) at which to send ERROR 2")
    add("--refuse", default="", help="refuse CONFIGURE by ERROR 1 with this text")
    add("--hello-status", type=int, default=0, help="refuse HELLO with this status")
    add("--zero-durations", action=Switch, help="durations of 0 (default for early)")
    add("--repeat-dts", type=int, help="every N-th PACKET repeats the dts before it (8 for early, else 0)")
    add("--ignore-repeats", action="store_true", help="do not answer repeated frames")
    add("--no-extradata", action="store_true", help="encode: CONFIGURE_ACK without extradata")
    add("--no-inband-sets", action="store_true", help="encode: no parameter sets before keyframes")
    add("--short-start-codes", action="store_true", help="encode: 3-byte start codes")
    add("--decode-format", choices=list(planes.FORMATS), help="decode: pixel format in place of the client's wish")
    add("--floor-chroma", action=Switch, help="decode: round odd chroma rows down (default for early)")
    add("--stride-pad", type=int, default=0, help="decode: bytes of padding after each row of FRAMEs")
    add("--plain-frames", action="store_true", help="decode: FRAMEs although slices are agreed (not with geometry)")
    add("--strip", type=int, default=128, help="decode: rows in a slice")
    add("--resize-at", type=int, default=0, help="decode with geometry: pictures from this one on have half the size")
    add("--ack-every", type=int, default=1, help="an ACK for every N-th input only")
    add("--no-ping", action="store_true", help="never send PING")
    add("--no-pong", action="store_true", help="never answer PING")
    add("--ping-after", type=float, default=2.0, help="seconds of sending nothing before a PING")
    add("--idle", type=float, help="seconds without a message that end a session (10 early, 60 others)")
    add("--chunk", type=int, default=0, help="write so many bytes at a time")
    add("--expect-window", type=int, default=0, help="a client that has more in flight is wrong")
    add("--client-is-ours", action="store_true", help="hold what the page says of our client against it, options or not")
    add("--allow-leave", action="store_true", help="a client may close before FLUSH")


def client_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("server", metavar="HOST:PORT")
    add("--generation", choices=GENERATIONS, default="ours", help="whose habits to have")
    add("--expect", choices=GENERATIONS, help="the server has to be this one")
    add("--expect-mock", action="store_true", help="the server is the one of this program: check its pixels or hashes")
    add("--codec", choices=("h264", "hevc"), default="h264")
    add("--width", type=int, default=640)
    add("--height", type=int, default=360)
    add("--format", choices=list(planes.FORMATS), default="nv12")
    add("--frames", type=int, default=0, help="how many; 0: 30, or the whole file")
    add("--first-pts", type=int, default=0)
    add("--duration", type=int, default=1, help="of a frame, in ticks")
    add("--timebase", help="default 1/30; early decode 0/1")
    add("--rate", default="30/1", help="frame rate")
    add("--window", type=int, help="default 16, current encode 8, early decode 1")
    add("--compression", type=int, choices=(0, 1, 2), default=0)
    add("--gop", type=int, default=0)
    add("--token", default="")
    add("--name", default="mock-client")
    add("--build", default="mock")
    add("--option", action="append", default=[], metavar="KEY=VALUE", help="one more option of CONFIGURE")
    add("--extensions", default="ack,slices,geometry", help="ours: what to use of what is listed")
    add("--unlisted", action="store_true", help="go on although something is not listed")
    add("--timeout", type=float, default=5.0)
    add("--nodelay", action=Switch, help="TCP_NODELAY (default, but for early and current decode)")
    add("--split-header", action=Switch, help="header and payload in two writes (default for early and current decode)")
    add("--chunk", type=int, default=0, help="write so many bytes at a time")
    add("--repeat-flush", type=int, help="FLUSH so many times (default 16 for early, else 1)")
    add("--probe-first", action=Switch, help="a session before that closes after CONFIGURE_ACK (default early HEVC decode)")
    add("--sleep", type=float, default=0.0, help="ms after each input")
    add("--read-delay", type=float, default=0.0, help="ms after each message read")
    add("--half-close", action="store_true", help="shut the sending side down after FLUSH")
    add("--bare-close-at", type=int, default=0, help="close without FLUSH after so many inputs")
    add("--leave-after", choices=("hello", "input"), default="", help="close after HELLO_ACK, or in place of FLUSH")
    add("--ping-after", type=float, default=4.0, help="seconds of sending nothing before a PING; 0 never")
    add("--ping-payload", type=int, default=0, help="bytes in a PING")
    add("--pong", action=Switch, default=True, help="answer PINGs")
    add("--dump", help="write what comes back to this file")


def encode_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--bitrate", type=int, default=0)
    add("--global-header", action="store_true")
    add("--key-every", type=int, default=0, help="ask for a keyframe every N frames")
    add("--repeat-frame", action=Switch, help="send the frame that fills the window twice (default for early)")
    add("--floor-chroma", action=Switch, help="round odd chroma rows down (default for early)")
    add("--stride-pad", type=int, default=0, help="bytes of padding after each row")
    add("--plain-frames", action="store_true", help="FRAMEs although slices are agreed")
    add("--strip", type=int, default=128, help="rows in a slice")
    add("--zero-side-data", action="store_true", help="say no side data by a byte 0")


def decode_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--file", help="Annex B stream; give --width and --height")
    source.add_argument("--synthetic", action="store_true", help="a grey stream made here (default)")
    add("--stream-reorder", type=int, default=0, help="reordering of the synthetic stream")
    add("--pts", choices=("true", "same", "zero"), help="true; dts = pts (default early); all 0 (default early file)")
    add("--extradata", choices=("record", "box", "annexb", "none"), default="record")
    add("--wait-for-frame", action=Switch, help="wait for a FRAME after every PACKET (default for early)")
    add("--frame-timeout", type=float, default=5.0, help="how long")


def parse(argv: list[str]) -> argparse.Namespace:
    """Arguments, with the defaults of the generation filled in."""
    parser = argparse.ArgumentParser(description=__doc__)
    modes = parser.add_subparsers(dest="mode", required=True)
    serve, encode, decode = (modes.add_parser(mode) for mode in ("serve", "encode", "decode"))
    serve_options(serve)
    for sub in (encode, decode):
        client_options(sub)
    encode_options(encode)
    decode_options(decode)
    args = parser.parse_args(argv)
    early = args.generation == "early"
    field_decode = args.mode == "decode" and args.generation != "ours"
    defaults = {"zero_durations": early, "repeat_dts": 8 if early else 0, "floor_chroma": early}
    if args.mode != "serve":
        defaults = {
            "nodelay": not field_decode, "split_header": field_decode, "repeat_flush": 16 if early else 1,
            "floor_chroma": early, "repeat_frame": early, "wait_for_frame": early,
            "probe_first": early and args.mode == "decode" and args.codec == "hevc",
            "timebase": "0/1" if early and args.mode == "decode" else "1/30",
            "window": 8 if args.mode == "encode" and args.generation == "current" else
            1 if early and args.mode == "decode" else 16,
            "pts": "zero" if early and getattr(args, "file", None) else "same" if early else "true"}
        if args.mode == "encode" and not args.frames:
            args.frames = 30
    for key, value in defaults.items():
        if getattr(args, key, 0) is None:
            setattr(args, key, value)
    return args


def main(argv: list[str]) -> int:
    args = parse(argv)
    return server.serve(args) if args.mode == "serve" else client.run(args)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
