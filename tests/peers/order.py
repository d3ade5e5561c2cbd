"""Which message may come when (sections 2, 7, 8 and 9), for both ends: feed in what arrives."""
from __future__ import annotations

import wire
from wire import breach, name

FROM_SERVER = (wire.HELLO_ACK, wire.CONFIGURE_ACK, wire.DONE, wire.PACKET_ACK, wire.ACK)
FROM_CLIENT = (wire.HELLO, wire.CONFIGURE, wire.FLUSH)
RESERVED = range(0x4000, 0x5000)


class _Order:
    """What both ends know of a session."""

    def __init__(self) -> None:
        self.mode = "encode"
        self.agreed: set[str] = set()
        self.ended = ""  # DONE or ERROR, once it has come
        self.picture_open = False  # between a FRAME_BEGIN and its last SLICE

    def _bulk(self, kind: int, sender: str) -> None:
        """FRAME, PACKET, FRAME_BEGIN and SLICE, once the stream runs."""
        pictures = (self.mode == "encode") == (sender == "client")
        if kind in (wire.FRAME_BEGIN, wire.SLICE):
            if "x.slices.v1" not in self.agreed:
                breach("9", "Between ends that have not agreed, none of these messages travels",
                       f"{name(kind)} without x.slices.v1")
            if not pictures:
                breach("9", "FRAME_BEGIN, 0x4001, in the direction of FRAME", f"{name(kind)} from the {sender}")
        if (kind == wire.FRAME and not pictures) or (kind == wire.PACKET and pictures):
            breach("7", "FRAME in a decode session and PACKET in an encode session are ERROR 4",
                   f"{name(kind)} from the {sender} in {self.mode}")
        if self.picture_open and kind in (wire.FRAME, wire.FRAME_BEGIN, wire.FLUSH):
            breach("9", "another FRAME_BEGIN, a FRAME or a FLUSH may not", f"{name(kind)} amid a picture",
                   7 if kind == wire.FLUSH else 4)
        if kind == wire.SLICE and not self.picture_open:
            breach("9", "A picture is announced by FRAME_BEGIN and followed by SLICEs", "a SLICE without FRAME_BEGIN")
        if kind == wire.FRAME_BEGIN:
            self.picture_open = True

    def _reserved(self, kind: int) -> None:
        if kind in RESERVED and kind not in (wire.ACK, wire.FRAME_BEGIN, wire.SLICE):
            breach("2", "0x4000 to 0x4FFF are reserved for this project", name(kind))


class ClientOrder(_Order):
    """Held by a server against its client. The server tells what it has sent by `stage`."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = "start"  # start, hello, accepted, configure, stream
        self.flushes = 0
        self.ours = False
        self.done_sent = False

    def receive(self, kind: int) -> None:
        """Raises if this type may not come now."""
        if kind in FROM_SERVER:
            breach("2", "A server that receives one of the types 2, 4, 8, 12, 0x4000 or 0x4003 answers ERROR 4 and ends",
                   name(kind))
        self._reserved(kind)
        if kind == wire.ERROR:
            self.ended = "ERROR"
            return
        if self.flushes:
            if kind == wire.FLUSH and not self.ours and not self.picture_open:
                self.flushes += 1
                if self.flushes > 16:
                    breach("1", "early encode clients send FLUSH up to 16 times", f"{self.flushes} times", 7)
            elif kind != wire.PONG:
                breach("1", "After FLUSH a client sends nothing but PONG", f"{name(kind)} after FLUSH", 7)
            return
        if self.stage != "stream":
            self._handshake(kind)
        elif kind in (wire.HELLO, wire.CONFIGURE):
            breach("7", "a second HELLO or CONFIGURE", name(kind), 7)
        else:
            self._bulk(kind, "client")
            self.flushes += kind == wire.FLUSH

    def _handshake(self, kind: int) -> None:
        if kind == wire.PING:
            breach("8", "PING is legal only between CONFIGURE_ACK and FLUSH (from the client)",
                   "PING before CONFIGURE_ACK", 7)
        if self.stage == "start":
            if kind != wire.HELLO:
                breach("3", "HELLO is the client's first message", f"{name(kind)} first", 7)
            self.stage = "hello"
        elif self.stage == "hello":
            breach("3", "The client then waits for HELLO_ACK before it sends anything else", name(kind), 7)
        elif self.stage == "accepted":
            if kind != wire.CONFIGURE:
                breach("7", "The order is HELLO, HELLO_ACK, CONFIGURE, CONFIGURE_ACK, then the stream",
                       f"{name(kind)} in place of CONFIGURE", 7)
            self.stage = "configure"
        else:
            breach("7", "Each of the first three is waited for", f"{name(kind)} before CONFIGURE_ACK", 7)


class ServerOrder(_Order):
    """Held by a client against its server. The client tells what it has sent by `stage` and `flushed`."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = "hello"  # hello, accepted, configure, stream
        self.flushed = False
        self.decode_async = False

    def receive(self, kind: int) -> None:
        """Raises if this type may not come now."""
        if self.ended:
            breach("1", "After DONE, after ERROR and after a refusing HELLO_ACK the server shuts down its sending side",
                   f"{name(kind)} after {self.ended}")
        if kind in FROM_CLIENT:
            breach("2", "Our client fails if the server sends 1, 3 or 7, or ACK or NOTICE without having agreed to it", name(kind))
        self._reserved(kind)
        if kind == wire.PACKET_ACK:
            breach("2", "empty; only in transcode, if negotiated", "PACKET_ACK")
        if kind == wire.ERROR:
            self.ended = "ERROR"
        elif self.stage != "stream":
            self._handshake(kind)
        else:
            self._stream(kind)

    def _handshake(self, kind: int) -> None:
        if kind == wire.PING:
            breach("8", "PING is legal only between CONFIGURE_ACK and FLUSH (from the client) or DONE (from the server)",
                   "PING before CONFIGURE_ACK", 7)
        wanted = {"hello": wire.HELLO_ACK, "configure": wire.CONFIGURE_ACK}.get(self.stage)
        if kind != wanted:
            breach("7", "The order is HELLO, HELLO_ACK, CONFIGURE, CONFIGURE_ACK, then the stream",
                   f"{name(kind)} at stage {self.stage}", 7)
        self.stage = "accepted" if kind == wire.HELLO_ACK else "stream"

    def _stream(self, kind: int) -> None:
        if kind in (wire.HELLO_ACK, wire.CONFIGURE_ACK):
            breach("7", "The order is HELLO, HELLO_ACK, CONFIGURE, CONFIGURE_ACK, then the stream",
                   f"a second {name(kind)}", 7)
        if kind == wire.ACK and "x.ack.v1" not in self.agreed:
            breach("2", "Our client fails if the server sends 1, 3 or 7, or ACK or NOTICE without having agreed to it", "ACK")
        if kind == wire.PING and self.mode == "decode" and not self.decode_async:
            breach("8", "likewise, but never to a client without `decode_async=1`: it hangs", "PING")
        if kind == wire.DONE:
            if not self.flushed:
                breach("7", "DONE with frames unanswered is a failure, and so are DONE before FLUSH and EOF before DONE",
                       "DONE before FLUSH", 7)
            if self.picture_open:
                breach("9", "Each index from 0 up to the number comes once", "DONE amid a picture", 7)
            self.ended = "DONE"
        self._bulk(kind, "server")
