"""Agents on a held GET over HTTP/2, which get each message by server push (RFC 8030)."""

import asyncio
import time

from agent import PATIENCE, Agent, Forgotten
from http1 import Broken, Connection

try:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import (
        ConnectionTerminated,
        DataReceived,
        PushedStreamReceived,
        ResponseReceived,
        StreamEnded,
        StreamReset,
    )
    from h2.exceptions import ProtocolError
except ImportError:
    # Without the package there are no such agents (see agents.py).
    H2Connection = None


class ServerPush(Agent):
    protocol = "server-push"

    def __init__(self, fleet, name, channels):
        super().__init__(fleet, name, 1)
        self.path, self.connection, self.h2, self.monitor = None, None, None, None
        # Path and body of each message that is not complete.
        self.pushes = {}

    async def connect(self, node):
        if self.path is None:
            self.path = await self.subscribe(node)
        self.connection = await Connection.open(node, PATIENCE)
        self.h2, self.pushes = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8")), {}
        self.h2.initiate_connection()
        self.monitor = self.h2.get_next_available_stream_id()
        request = [(":method", "GET"), (":scheme", "http"), (":authority", node), (":path", self.path)]
        self.h2.send_headers(self.monitor, request, end_stream=True)
        # The answer to this shows that the server is there: that to the GET may come with the first message.
        self.h2.ping(b"greeting")
        self.flush()
        if not await self.read(PATIENCE):
            raise TimeoutError("no HTTP/2 settings")

    def flush(self):
        self.connection.writer.write(self.h2.data_to_send())

    async def read(self, seconds):
        """Handles what arrives next; returns false if that is nothing."""
        try:
            async with asyncio.timeout(seconds):
                data = await self.connection.reader.read(65536)
        except TimeoutError:
            return False
        if not data:
            raise Broken("the connection ended")
        try:
            events = self.h2.receive_data(data)
        except ProtocolError as error:
            raise Broken(f"HTTP/2: {error}") from error
        for event in events:
            self.handle(event)
        self.flush()
        return True

    async def listen(self, until):
        asked = False
        while (left := until - time.monotonic()) > 0:
            if await self.read(min(left, PATIENCE if asked else self.fleet.idle)):
                asked = False
            elif until > time.monotonic():
                if asked:
                    raise TimeoutError("no answer to a PING")
                asked = True
                self.h2.ping(b"are you?")
                self.flush()
        self.h2.close_connection()
        self.flush()

    def handle(self, event):
        match event:
            case PushedStreamReceived():
                self.pushes[event.pushed_stream_id] = (dict(event.headers)[":path"], b"")
            case DataReceived():
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if event.stream_id in self.pushes:
                    path, body = self.pushes[event.stream_id]
                    self.pushes[event.stream_id] = (path, body + event.data)
            case StreamReset():
                self.pushes.pop(event.stream_id, None)
                if event.stream_id == self.monitor:
                    raise Broken("the held GET was reset")
            case ResponseReceived() if event.stream_id == self.monitor:
                if dict(event.headers)[":status"] == "404":
                    raise Forgotten("404 for a subscription")
            case StreamEnded() if event.stream_id in self.pushes:
                path, body = self.pushes.pop(event.stream_id)
                if identity := self.receive(self.name, body):
                    self.delete(path, identity.number)
            case StreamEnded() if event.stream_id == self.monitor:
                raise Broken("the held GET ended")
            case ConnectionTerminated():
                raise Broken(f"GOAWAY {event.error_code}")

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None
