"""Server-sent events: agents that receive messages, and the receipts of a sender."""

import asyncio
import base64
import json
import time
from urllib.parse import urlsplit

from agent import PATIENCE, Agent, Forgotten
from http1 import Broken, Connection

# The server writes a comment after 30 s of silence.
SILENCE = 42.0


class EventStream:
    """An open stream of events."""

    def __init__(self, connection, response):
        self.connection, self.chunks = connection, connection.body(response)
        self.buffer = b""

    @classmethod
    async def open(cls, address, path, last_id):
        connection = await Connection.open(address, PATIENCE)
        resume = [("last-event-id", last_id)] if last_id else []
        try:
            async with asyncio.timeout(PATIENCE):
                response = await connection.start("GET", path, [("accept", "text/event-stream"), *resume])
        except BaseException:
            connection.close()
            raise
        if response.status == 200:
            return cls(connection, response)
        connection.close()
        if response.status == 404:
            raise Forgotten(f"404 for {path[:24]}")
        raise Broken(f"status {response.status}")

    async def next(self, until):
        """Returns the fields of the next event, or `None` at the time `until`. Nothing is read after that."""
        silent_until = time.monotonic() + SILENCE
        while True:
            while b"\n\n" in self.buffer:
                block, self.buffer = self.buffer.split(b"\n\n", 1)
                fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if ": " in line[1:])
                if "event" in fields:
                    return fields
            try:
                async with asyncio.timeout(min(until, silent_until) - time.monotonic()):
                    chunk = await anext(self.chunks, None)
            except TimeoutError:
                if time.monotonic() >= until:
                    return None
                raise TimeoutError("silence on an event stream") from None
            if chunk is None:
                raise Broken("the stream ended")
            silent_until = time.monotonic() + SILENCE
            self.buffer += chunk

    def close(self):
        self.connection.close()


class Events(Agent):
    """An agent on one event stream, which resumes after the last event that it has seen."""

    protocol = "events"

    def __init__(self, fleet, name, channels):
        super().__init__(fleet, name, 1)
        self.path, self.stream, self.last_id = None, None, None

    async def connect(self, node):
        if self.path is None:
            self.path = await self.subscribe(node)
        self.stream = await EventStream.open(node, self.path, self.last_id)

    async def listen(self, until):
        while fields := await self.stream.next(until):
            if fields["event"] == "gone":
                raise Forgotten("event gone")
            if fields["event"] != "message":
                continue
            data = json.loads(fields["data"])
            body = data.get("body", "")
            identity = self.receive(self.name, base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            if identity and self.forgets():
                return
            self.last_id = fields.get("id", self.last_id)
            if identity:
                self.delete(urlsplit(data["url"]).path, identity.number)

    def close(self):
        if self.stream:
            self.stream.close()
            self.stream = None
