"""Peers that flood: the server disconnects them or makes them wait, bounds its memory, and serves the others meanwhile."""

import os
import socket
import struct

from lib import Agent, check, expect, finish

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 9
END_STREAM, END_HEADERS = 1, 4
CANCEL, ENHANCE_YOUR_CALM = 8, 11

# Maximum growth of the server's memory under a flood. A queued flood would need ten times more.
MOST_GROWTH_KIB = 64 * 1024
# How long a flooder that is made to wait keeps trying.
BLOCKED_SECONDS = 2.0


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def block(agent, method, path, *more):
    """Header lines as literals without Huffman coding, so that no state is shared with the server's table."""
    lines = [(":method", method), (":scheme", agent.scheme), (":authority", agent.authority), (":path", path), *more]
    return b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in lines
    )


def resident_kib():
    with open(f"/proc/{os.environ['WEBPUSH_PID']}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def flood(agent, pieces):
    """Sends pieces until the server takes no more, and returns why: `closed`, `blocked`, or `taken` for all of them."""
    agent.socket.settimeout(BLOCKED_SECONDS)
    try:
        for piece in pieces:
            agent.socket.sendall(piece)
    except TimeoutError:
        return "blocked"
    except OSError:
        return "closed"
    return "taken"


def goaway(agent):
    """The code of the GOAWAY, if the server managed to send one before the connection was reset."""
    data = b""
    agent.socket.settimeout(BLOCKED_SECONDS)
    try:
        while part := agent.socket.recv(65536):
            data += part
    except OSError:
        pass
    while len(data) >= 9:
        length = int.from_bytes(data[:3], "big")
        if data[3] == GOAWAY and len(data) >= 9 + length:
            return int.from_bytes(data[13:17], "big")
        data = data[9 + length:]
    return None


def others_are_served():
    agent = Agent()
    subscription, push = agent.subscribe()
    message = agent.send(push, b"x")
    _, pushes = agent.outstanding(subscription)
    expect([pushed.url for pushed in pushes], [message], "pushes to another agent")
    agent.acknowledge(message)


def held(what, pieces, ends):
    """A flood while others are served; memory must not grow with it."""
    others_are_served()
    before = resident_kib()
    agent = Agent()
    end = flood(agent, pieces(agent))
    if end not in ends:
        raise AssertionError(f"{what}: {end}, not one of {ends}")
    others_are_served()
    growth = resident_kib() - before
    expect(growth < MOST_GROWTH_KIB, True, f"{what}: memory within bounds (it grew by {growth} KiB)")
    return agent, end


@check
def rapid_reset():
    """CVE-2023-44487: requests that are reset at once end their connection"""

    def pieces(agent):
        request = block(agent, "POST", "/subscribe")
        for start in range(1, 200_000, 200):
            yield b"".join(
                frame(HEADERS, END_HEADERS, stream, request)
                + frame(RST_STREAM, 0, stream, struct.pack("!I", CANCEL))
                for stream in range(start, start + 200, 2)
            )

    agent, _ = held("rapid reset", pieces, {"closed"})
    expect(goaway(agent) in (None, ENHANCE_YOUR_CALM), True, "code of the GOAWAY")


@check
def made_you_reset():
    """CVE-2025-8671: mistakes that make the server reset streams end their connection"""

    def pieces(agent):
        request = block(agent, "POST", "/subscribe")
        for stream in range(1, 200_000, 2):
            # A window update of zero is a stream error.
            yield frame(HEADERS, END_HEADERS, stream, request) + frame(8, 0, stream, struct.pack("!I", 0))

    held("resets by mistake", pieces, {"closed"})


@check
def continuation():
    """CVE-2024-27316: headers that never end are cut"""

    def pieces(agent):
        yield frame(HEADERS, END_STREAM, 1, block(agent, "GET", "/"))
        more = b"\0\x01x\x01y" * 3000
        for _ in range(20_000):
            yield frame(CONTINUATION, 0, 1, more)

    held("CONTINUATION", pieces, {"closed"})


@check
def empty_continuation():
    """headers that go on with empty frames are cut"""

    def pieces(agent):
        yield frame(HEADERS, END_STREAM, 1, block(agent, "GET", "/"))
        for _ in range(2_000):
            yield frame(CONTINUATION, 0, 1) * 1000

    held("empty CONTINUATION", pieces, {"closed"})


@check
def header_table():
    """one entry of the HPACK table, named thousands of times, is no 1 GB of headers"""

    def pieces(agent):
        large = b"\x40\x01x\x7f" + b"\xa1\x1e" + b"y" * 4000
        fields = block(agent, "GET", "/") + large + b"\xbe" * 8000
        for stream in range(1, 400, 2):
            yield frame(HEADERS, END_HEADERS | END_STREAM, stream, fields)

    held("HPACK references", pieces, {"taken", "closed", "blocked"})


@check
def settings():
    """CVE-2019-9515: SETTINGS whose answers are not read make the sender wait"""
    held("SETTINGS", lambda agent: (frame(SETTINGS, 0, 0) * 1000 for _ in range(20_000)), {"blocked", "closed"})


@check
def pings():
    """CVE-2019-9512: PINGs whose answers are not read make the sender wait"""
    held("PING", lambda agent: (frame(PING, 0, 0, b"12345678") * 1000 for _ in range(20_000)), {"blocked", "closed"})


@check
def empty_data():
    """CVE-2019-9518: a body of empty frames leaves nothing behind"""

    def pieces(agent):
        _, push = agent.subscribe()
        path = push.split(agent.authority, 1)[1]
        stream = agent.h2.get_next_available_stream_id()
        yield frame(HEADERS, END_HEADERS, stream, block(agent, "POST", path, ("ttl", "60")))
        for _ in range(2_000):
            yield frame(DATA, 0, stream) * 1000

    held("empty DATA", pieces, {"taken", "closed"})


@check
def unread_answers():
    """CVE-2019-9517: no more responses wait for a window than streams may be open"""

    def pieces(agent):
        # SETTINGS_INITIAL_WINDOW_SIZE 0.
        yield frame(SETTINGS, 0, 0, struct.pack("!HI", 4, 0))
        for stream in range(1, 20_000, 2):
            yield frame(HEADERS, END_HEADERS | END_STREAM, stream, block(agent, "GET", "/errors"))

    held("answers without a window", pieces, {"taken", "closed", "blocked"})


@check
def half_open():
    """hundreds of connections that begin a request and stop keep nobody out"""
    others_are_served()
    idle = [Agent() for _ in range(200)]
    for agent in idle:
        agent.socket.sendall(frame(HEADERS, END_HEADERS, 1, block(agent, "POST", "/subscribe")))
    others_are_served()
    for agent in idle:
        agent.socket.shutdown(socket.SHUT_RDWR)


finish()
