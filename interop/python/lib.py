"""Shared by the Python scripts: an HTTP/2 client on hyper-h2, which does no I/O by itself.

The script decides what is sent and when windows open, so it can be as odd a client as a test needs.
"""

import contextlib
import os
import re
import socket
import ssl
import struct
import sys
import time
import traceback
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    PingAckReceived,
    PushedStreamReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes, Settings

PUSH = "urn:ietf:params:push"
SET = "urn:ietf:params:push:set"

# Time limit of each wait.
PATIENCE = 10.0

ORIGIN = os.environ.get("WEBPUSH_ORIGIN") or sys.exit("WEBPUSH_ORIGIN is not set: run this by cargo xtask interop")


class Wrong(Exception):
    """The server did not do what it should."""


def expect(actual, wanted, what):
    if actual != wanted:
        raise Wrong(f"{what}: {actual!r} instead of {wanted!r}")


@dataclass
class Stream:
    """One stream as the client sees it: the response to a request, or a promise and its pushed response."""

    number: int
    method: str = "GET"
    # For promises only: the promised request, and the stream it arrived on.
    promised: list[tuple[str, str]] | None = None
    parent: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def status(self):
        return int(self.headers[":status"]) if ":status" in self.headers else None

    @property
    def url(self):
        """The URL that was promised."""
        return ORIGIN + dict(self.promised)[":path"]

    @property
    def done(self):
        return self.ended or self.reset is not None


class Agent:
    """A connection that reads only while it waits for something."""

    def __init__(self, settings=None, open_windows=True):
        address = urlsplit(ORIGIN)
        self.authority = address.netloc
        self.scheme = address.scheme
        self.socket = socket.create_connection((address.hostname, address.port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.scheme == "https":
            context = ssl.create_default_context(cafile=os.environ["WEBPUSH_CA"])
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname=address.hostname)
            expect(self.socket.selected_alpn_protocol(), "h2", "protocol chosen by ALPN")
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        if settings:
            # Before the first byte, so that they apply from the first request on.
            self.h2.local_settings = Settings(client=True, initial_values=settings)
        # True if data is acknowledged as it arrives; otherwise the script opens the windows by hand.
        self.open_windows = open_windows
        self.streams = {}
        self.pushes = []
        self.pongs = 0
        self.on_push = lambda push: None
        self.on_headers = lambda stream: None
        self.h2.initiate_connection()
        self.flush()
        open_agents.append(self)

    # Requests

    def start(self, method, url, headers=None, body=b""):
        """Sends a request and returns its stream, before the response."""
        number = self.h2.get_next_available_stream_id()
        path = urlsplit(url).path
        lines = [(":method", method), (":scheme", self.scheme), (":authority", self.authority), (":path", path)]
        self.h2.send_headers(number, lines + list((headers or {}).items()), end_stream=not body)
        if body:
            self.h2.send_data(number, body, end_stream=True)
        self.streams[number] = stream = Stream(number, method)
        self.flush()
        return stream

    def request(self, method, url, headers=None, body=b""):
        stream = self.start(method, url, headers, body)
        self.wait(lambda: stream.done, f"the answer to {method} {url}")
        if stream.reset is not None:
            raise Wrong(f"{method} {url} was reset with code {stream.reset}")
        return stream

    def subscribe(self):
        answer = self.request("POST", f"{ORIGIN}/subscribe")
        expect(answer.status, 201, "status of a subscribe")
        return answer.headers["location"], link(answer.headers, PUSH)

    def send(self, push, body, headers=None):
        answer = self.request("POST", push, {"ttl": "60", **(headers or {})}, body)
        expect(answer.status, 201, f"status of a send ({answer.body!r})")
        return answer.headers["location"]

    def acknowledge(self, message):
        expect(self.request("DELETE", message).status, 204, "status of an acknowledgement")

    def outstanding(self, subscription):
        """`Prefer: wait=0`: the response to the GET, and the pushes that came with it."""
        before = len(self.pushes)
        answer = self.request("GET", subscription, {"prefer": "wait=0"})
        self.wait(lambda: all(push.done for push in self.pushes), "the end of the pushed messages")
        return answer, self.pushes[before:]

    def next_push(self, index):
        """The push number `index` of this connection, once it is complete."""
        self.wait(lambda: len(self.pushes) > index and self.pushes[index].done, f"push number {index + 1}")
        return self.pushes[index]

    # Frames

    def reset(self, number, code=ErrorCodes.CANCEL):
        self.h2.reset_stream(number, code)
        self.flush()

    def open_window(self, size, number=None):
        self.h2.increment_flow_control_window(size, number)
        self.flush()

    def round_trips(self, count=1):
        """Sends a PING and waits, which gives the server time to misbehave."""
        for _ in range(count):
            wanted = self.pongs + 1
            self.h2.ping(struct.pack("!Q", wanted))
            self.flush()
            self.wait(lambda: self.pongs >= wanted, "the answer to a PING")

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def wait(self, until, what):
        """Reads and answers frames until `until` is true."""
        deadline = time.monotonic() + PATIENCE
        while not until():
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise Wrong(f"{what}: not within {PATIENCE:.0f} s") from None
            if not data:
                raise Wrong(f"{what}: the server closed the connection")
            for event in self.h2.receive_data(data):
                self.take(event)
            self.flush()

    def take(self, event):
        match event:
            case PushedStreamReceived():
                number = event.pushed_stream_id
                push = Stream(number, promised=event.headers, parent=event.parent_stream_id)
                parent = self.streams.get(push.parent)
                if parent is None or parent.method != "GET" or parent.done:
                    raise Wrong(f"a promise on stream {push.parent}, which is no open GET of this client")
                self.streams[number] = push
                self.pushes.append(push)
                self.on_push(push)
            case ResponseReceived():
                stream = self.streams[event.stream_id]
                stream.headers = joined(event.headers)
                self.on_headers(stream)
            case DataReceived():
                self.streams[event.stream_id].body += event.data
                if self.open_windows:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                self.streams[event.stream_id].ended = True
            case StreamReset():
                self.streams[event.stream_id].reset = int(event.error_code)
            case PingAckReceived():
                self.pongs += 1
            case ConnectionTerminated():
                raise Wrong(f"GOAWAY with code {event.error_code} {event.additional_data!r}")

    def drop(self):
        """Ends the connection without notice, like a lost network (RST, no GOAWAY)."""
        open_agents.remove(self)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


open_agents = []


def joined(headers):
    """Header fields by name; the lines of a repeated one become one list, as RFC 9110 allows."""
    fields = {}
    for name, value in headers:
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def link(headers, relation):
    """The target of a link, in the form that an old Firefox requires: `<uri>; rel="…"` with nothing between."""
    found = dict((rel, uri) for uri, rel in re.findall(r'<([^>]+)>; rel="([^"]+)"', headers.get("link", "")))
    if relation not in found:
        raise Wrong(f"no link {relation} in {headers.get('link')!r}")
    return found[relation]


def check(function):
    """Runs a check immediately; a failed one does not keep the next from running (see `finish`)."""
    name = function.__doc__.strip().splitlines()[0]
    try:
        function()
        print(f"ok    {name}")
    except Exception as error:
        failed.append(name)
        where = traceback.extract_tb(error.__traceback__)[-1]
        origin = "" if isinstance(error, Wrong) else f" ({type(error).__name__} at {where.name}:{where.lineno})"
        print(f"WRONG {name}: {error}{origin}")
    finally:
        for agent in list(open_agents):
            with contextlib.suppress(OSError):
                agent.socket.close()
        open_agents.clear()


failed = []


def finish():
    sys.exit(1 if failed else 0)


__all__ = [
    "Agent", "ErrorCodes", "ORIGIN", "PUSH", "SET", "SettingCodes", "Wrong", "check", "expect", "finish", "link",
]
