"""A client for encoding and decoding, with the habits of one of three generations; strict about its server."""
from __future__ import annotations

import argparse
import json
import sys

from decode import DecodeSession
from encode import EncodeSession
from session import Gone, Refused, Session
from wire import Violation


def run(args: argparse.Namespace) -> int:
    """Plays the client; prints its line, or what was wrong."""
    problems: list[str] = []
    session: Session | None = None
    try:
        if args.probe_first:
            probe = DecodeSession(args) if args.mode == "decode" else EncodeSession(args)
            session = probe
            _probe(probe)
            problems += probe.problems
        session = EncodeSession(args) if args.mode == "encode" else DecodeSession(args)
        session.run()
    except Gone:
        pass
    except (Violation, Refused) as problem:
        session.problems.append(str(problem))
    except OSError as error:
        _write_failed(session, error)
    finally:
        if session:
            session.close()
            if session.dump:
                session.dump.close()
    problems += session.problems
    line = json.dumps(session.describe())
    if problems:
        for problem in problems:
            print(f"violation: {problem}", flush=True)
        print(line, file=sys.stderr)
        return 1
    print(line, flush=True)
    return 0


def _probe(session: Session) -> None:
    if isinstance(session, DecodeSession):
        session.probe()
    else:
        session.connect()
        session.handshake(session.fmt, session.options(), b"")
        session.close()


def _write_failed(session: Session | None, error: OSError) -> None:
    """A client whose write fails still reads for up to 2 s (section 7)."""
    if session is None:
        raise error
    if hasattr(session, "reader"):
        session.reader.join(2.0)
    if not session.problems and not session.args.leave_after:
        session.problems.append(f"socket: {error}")
