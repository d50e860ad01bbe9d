"""The one address that a container sees of the emulator: passes connections on to the gateway.

Runs in a container on the inner network of every job and on one that leads to the gateway.
Each connection to port 443 or 80 is passed on behind one line,

    cmle-relay SECRET ADDRESS PORT

where ADDRESS is this container's own on the network that the connection came by: it tells
the gateway who is asking, and only this container knows the secret. Names are answered, too:
Google's lead here, nothing else exists. Standard library only, Python 3.7 on.

    relay.py CONFIG      CONFIG is JSON: {"gateway": ["10.0.0.1", 4000], "secret": "…"}; read
                         again for each connection, so that it may change
"""

import asyncio
import json
import signal
import socket
import struct
import sys

PORTS = (443, 80)
NAMES = 53
CONNECT_S = 30.0  # a gateway that is started again is waited for
RETRY_S = 0.1
LIMIT = 1 << 20  # bytes that wait to be written, each way
BACKLOG = 512
DOMAINS = ("googleapis.com", "google.com", "google.internal")
IP_PKTINFO = 8
TTL_S = 60


class Side(asyncio.Protocol):
    """One end of a connection that is passed on; ``other`` is where its bytes go."""

    def __init__(self):
        self.transport = None
        self.other = None
        self.lost = False
        self.said_all = False

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(LIMIT)
        own = transport.get_extra_info("socket")
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data):
        self.other.transport.write(data)

    def eof_received(self):
        self.said_all = True
        if self.other.said_all:
            self.other.transport.close()
            return False
        if not self.other.transport.is_closing():
            self.other.transport.write_eof()
        return True  # the other way stays open

    def pause_writing(self):
        if not self.other.lost:
            self.other.transport.pause_reading()

    def resume_writing(self):
        if not self.other.lost:
            self.other.transport.resume_reading()

    def connection_lost(self, error):
        self.lost = True
        other = self.other
        if other is None or other.transport is None or other.lost:
            return
        if error is None:
            other.transport.close()
        else:
            other.transport.abort()


class Visitor(Side):
    """The side of the replica: it is read on once the gateway has taken the connection."""

    def __init__(self, config):
        Side.__init__(self)
        self.config = config
        self.early = []  # what came before
        self.task = None

    def data_received(self, data):
        if self.other is not None:
            Side.data_received(self, data)
            return
        self.early.append(data)
        self.transport.pause_reading()

    def eof_received(self):
        if self.other is not None:
            return Side.eof_received(self)
        self.said_all = True
        return True

    def connection_made(self, transport):
        Side.connection_made(self, transport)
        self.task = asyncio.ensure_future(self.pass_on(transport.get_extra_info("sockname")))

    async def pass_on(self, own):
        loop = asyncio.get_event_loop()
        deadline = loop.time() + CONNECT_S
        while not self.lost:
            try:
                config = read(self.config)
                _, far = await asyncio.wait_for(
                    loop.create_connection(Side, *config["gateway"]), deadline - loop.time()
                )
                break
            except (OSError, ValueError, asyncio.TimeoutError):
                if loop.time() + RETRY_S >= deadline:
                    self.transport.abort()
                    return
                await asyncio.sleep(RETRY_S)
        else:
            return
        far.other, self.other = self, far
        if self.lost or far.lost:
            far.transport.abort()
            self.transport.abort()
            return
        line = "cmle-relay {} {} {}\n".format(config["secret"], own[0], own[1])
        far.transport.write(line.encode() + b"".join(self.early))
        if self.said_all:
            far.transport.write_eof()
        elif self.early:
            self.transport.resume_reading()


def read(path):
    with open(path) as file:
        return json.load(file)


class Names:
    """A name server of one answer: this container's address on the network that asks."""

    def __init__(self, sock):
        self.socket = sock

    def answer(self):
        for _ in range(100):
            try:
                query, ancillary, _, peer = self.socket.recvmsg(4096, 256)
            except (BlockingIOError, InterruptedError):
                return
            try:
                reply = respond(query, own_address(ancillary))
                if reply:
                    self.socket.sendto(reply, peer)
            except (OSError, ValueError, IndexError, struct.error):
                continue  # no question, or nobody to answer


def own_address(ancillary):
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            return data[4:8]  # ipi_spec_dst: where an answer comes from
    raise ValueError("no address")


def respond(query, address):
    """The answer to a query of one question: an A record, nothing, or that the name is none."""
    number, flags, questions = struct.unpack("!HHH", query[:6])
    if flags & 0x8000 or questions != 1:
        return None
    at, labels = 12, []
    while query[at]:
        length = query[at]
        if length > 63:
            return None
        labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    question = query[12 : at + 5]
    kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
    known = is_google(".".join(labels))
    record = b""
    if known and kind == 1:
        record = struct.pack("!HHHIH", 0xC00C, 1, 1, TTL_S, 4) + address
    flags = 0x8580 | (flags & 0x0100) | (0 if known else 3)
    return struct.pack("!6H", number, flags, 1, 1 if record else 0, 0, 0) + question + record


def is_google(name):
    return name == "metadata" or any(
        name == domain or name.endswith("." + domain) for domain in DOMAINS
    )


async def serve(config):
    loop = asyncio.get_event_loop()
    ended = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, lambda: ended.done() or ended.set_result(None))
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    names.setblocking(False)
    names.bind(("0.0.0.0", NAMES))
    loop.add_reader(names, Names(names).answer)
    for port in PORTS:
        await loop.create_server(lambda: Visitor(config), "0.0.0.0", port, backlog=BACKLOG)
    print("ready", flush=True)
    await ended


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
