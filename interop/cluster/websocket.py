"""A small WebSocket client (RFC 6455) on asyncio streams, for JSON text messages."""

import asyncio
import base64
import json
import os
import struct

from http1 import Broken, Connection

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket:
    """An open WebSocket. One task reads; writes are not awaited, since agents write little."""

    # The message that a PONG counts as; `None` if it is none.
    pong = None

    def __init__(self, connection):
        self.connection, self.reader, self.writer = connection, connection.reader, connection.writer

    @classmethod
    async def open(cls, address, patience):
        connection = await Connection.open(address, patience)
        key = base64.b64encode(os.urandom(16)).decode()
        headers = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-version", "13"),
                   ("sec-websocket-key", key), ("sec-websocket-protocol", "push-notification")]
        try:
            async with asyncio.timeout(patience):
                response = await connection.start("GET", "/", headers)
        except BaseException:
            connection.close()
            raise
        if response.status != 101:
            connection.close()
            raise Broken(f"status {response.status}")
        return cls(connection)

    def send(self, message):
        self.frame(TEXT, json.dumps(message, separators=(",", ":")).encode())

    def frame(self, opcode, payload):
        length = len(payload)
        head = bytes([0x80 | opcode, 0x80 | length]) if length < 126 else \
            bytes([0x80 | opcode, 0x80 | 126]) + struct.pack("!H", length)
        # A mask of zeros leaves the payload as it is.
        self.writer.write(head + b"\0\0\0\0" + payload)

    async def receive(self, idle, patience):
        """Returns the next message, or `None` if none begins within `idle` seconds; nothing is lost then."""
        while True:
            try:
                async with asyncio.timeout(idle):
                    first, length = await self.reader.readexactly(2)
            except TimeoutError:
                return None
            async with asyncio.timeout(patience):
                if length == 126:
                    [length] = struct.unpack("!H", await self.reader.readexactly(2))
                elif length > 126:
                    raise Broken("a frame of more than 64 KiB")
                payload = await self.reader.readexactly(length)
            match first & 0x0F:
                case 1 if first & 0x80:
                    return json.loads(payload)
                case 9:
                    self.frame(PONG, payload)
                case 10:
                    if self.pong is not None:
                        return self.pong
                case 8:
                    raise Broken(f"closed: {struct.unpack('!H', payload[:2])[0] if len(payload) > 1 else 'no code'} "
                                 f"{payload[2:].decode(errors='replace')}")
                case opcode:
                    raise Broken(f"a frame with opcode {opcode}")

    def close(self):
        self.connection.close()

    async def leave(self):
        """Says goodbye, as a browser does."""
        self.frame(CLOSE, struct.pack("!H", 1001))
        await self.connection.leave()
