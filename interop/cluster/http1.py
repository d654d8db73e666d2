"""A small HTTP/1.1 client on asyncio streams: one request at a time on each connection."""

import asyncio
import contextlib
from dataclasses import dataclass

# Largest response head, and longest line of an event stream: a message of 4 KiB in base64url with its URLs.
LIMIT = 64 * 1024
# Longest wait for the server to close a connection that the client has ended.
GOODBYE = 5.0


class NotSent(Exception):
    """The server was not reached: it cannot have seen any of the request."""


class Broken(Exception):
    """The connection ended, or its peer said something that is not HTTP, after the request was sent."""


# Whatever can go wrong once a request was sent.
FAILURES = (OSError, EOFError, TimeoutError, ValueError, Broken)


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def keeps_alive(self):
        return self.headers.get("connection", "").lower() != "close"


class Connection:
    """A connection to `address` (HOST:PORT). After a failure it must be closed."""

    def __init__(self, address, reader, writer):
        self.address, self.reader, self.writer = address, reader, writer

    @classmethod
    async def open(cls, address, patience):
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(patience):
                return cls(address, *await asyncio.open_connection(host, int(port), limit=LIMIT))
        except (OSError, TimeoutError) as error:
            raise NotSent(f"{address}: {error or 'no connection in time'}") from error

    async def request(self, method, path, headers=(), body=b""):
        """Returns the whole response. Callers bound the time."""
        response = await self.start(method, path, headers, body)
        response.body = b"".join([chunk async for chunk in self.body(response)])
        return response

    async def start(self, method, path, headers=(), body=b""):
        """Returns the response without its body."""
        lines = [f"{method} {path} HTTP/1.1", f"host: {self.address}", *(f"{name}: {text}" for name, text in headers)]
        if body or method in ("POST", "PUT"):
            lines.append(f"content-length: {len(body)}")
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await self.writer.drain()
        first, *fields = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        headers = {}
        for field in fields:
            name, _, text = field.partition(":")
            name, text = name.lower(), text.strip()
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
        return Response(int(first.split(" ", 2)[1]), headers)

    async def body(self, response):
        """Yields the body in pieces, as they arrive."""
        if response.status in (204, 304):
            return
        if response.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                yield await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readuntil(b"\r\n")
        elif length := int(response.headers.get("content-length", 0)):
            yield await self.reader.readexactly(length)

    def close(self):
        self.writer.close()

    async def leave(self):
        """Reads to the end before it closes: data that nobody reads would reset the connection, and with it what the
        server has not read yet."""
        with contextlib.suppress(OSError, TimeoutError):
            self.writer.write_eof()
            async with asyncio.timeout(GOODBYE):
                while await self.reader.read(65536):
                    pass
        self.close()


class Pool:
    """Idle connections by address."""

    def __init__(self, patience):
        self.patience, self.idle = patience, {}

    async def request(self, address, method, path, headers=(), body=b""):
        """Raises `NotSent`, or one of `FAILURES` if the request may have been carried out."""
        waiting = self.idle.setdefault(address, [])
        connection = None
        while waiting and connection is None:
            connection = waiting.pop()
            # The server closes what is idle for long. That is seen here, before anything is sent.
            if connection.reader.at_eof() or connection.writer.is_closing():
                connection.close()
                connection = None
        connection = connection or await Connection.open(address, self.patience)
        try:
            async with asyncio.timeout(self.patience):
                response = await connection.request(method, path, headers, body)
        except BaseException:
            connection.close()
            raise
        if response.keeps_alive:
            waiting.append(connection)
        else:
            connection.close()
        return response
