"""Agents that speak MCS, as Chromium does, with a protobuf of their own."""

import asyncio
import time
import urllib.parse
import uuid

import vapid
from agent import PATIENCE, Agent, Forgotten
from http1 import Broken, Connection

HEARTBEAT, HEARTBEAT_ACK, LOGIN, LOGIN_RESPONSE, CLOSE, IQ, DATA = 0, 1, 2, 3, 4, 7, 8
VERSION = 41
# A browser names the messages that it has received last when it logs in, until the service has confirmed that.
NAMED_AT_LOGIN = 50
# All sites have the same application server. A header for Google's origin is valid on Google's paths.
SENDER, KEY = vapid.make_key()
AUTHORIZATION = vapid.authorization(SENDER, KEY, "https://fcm.googleapis.com")


class Chromium(Agent):
    protocol = "mcs"
    # The MCS listener of each node.
    listeners = {}

    def __init__(self, fleet, name, channels):
        super().__init__(fleet, name, 1)
        self.credentials, self.connection = None, None
        self.token, self.subtype = None, f"wp:http://localhost:8000/#{uuid.UUID(int=fleet.random.getrandbits(128))}-V2"
        self.frames, self.received_ids = 0, []

    async def connect(self, node):
        if self.credentials is None:
            body = integer(2, 0) + text(4, b"\x60\x03") + bytes([13 << 3 | 1]) + bytes(8)
            response = await self.fleet.pool.request(node, "POST", "/chromium/checkin", body=body)
            fields = dict(parse(expect(response, "check-in").body))
            self.credentials = fields[7], fields[8]
        if self.token is None:
            form = {"app": "org.chromium.linux", "X-subtype": self.subtype, "device": "1", "scope": "GCM",
                    "X-scope": "GCM", "sender": KEY}
            headers = [("content-type", "application/x-www-form-urlencoded"),
                       ("authorization", "AidLogin {}:{}".format(*self.credentials))]
            response = await self.fleet.pool.request(
                node, "POST", "/chromium/register", headers, urllib.parse.urlencode(form).encode())
            self.token = expect(response, "registration").body.decode().removeprefix("token=")
            self.publish(self.name, f"/fcm/send/{self.token}", authorization=AUTHORIZATION)
        self.connection = await Connection.open(self.listeners[node], PATIENCE)
        device, password = (str(number).encode() for number in self.credentials)
        login = [text(1, b"chrome-156"), text(2, b"mcs.android.com"), text(3, device), text(4, device),
                 text(5, password), *(text(10, received) for received in self.received_ids)]
        self.connection.writer.write(bytes([VERSION]))
        self.send(LOGIN, b"".join(login))
        self.frames = 0
        async with asyncio.timeout(PATIENCE):
            if (await self.connection.reader.readexactly(1))[0] != VERSION:
                raise Broken("another version of MCS")
            tag, body = await self.frame(PATIENCE)
        if tag != LOGIN_RESPONSE:
            raise Broken(f"{tag} instead of a login response")
        if any(number == 3 for number, _ in parse(body)):
            raise Forgotten("login refused")

    def send(self, tag, body):
        self.connection.writer.write(bytes([tag]) + varint(len(body)) + body)

    async def frame(self, idle):
        """Returns the next frame, or `None` if none begins within `idle` seconds."""
        reader = self.connection.reader
        try:
            async with asyncio.timeout(idle):
                [tag] = await reader.readexactly(1)
        except TimeoutError:
            return None
        async with asyncio.timeout(PATIENCE):
            length = shift = 0
            while True:
                [byte] = await reader.readexactly(1)
                length |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            self.frames += 1
            return tag, await reader.readexactly(length)

    async def listen(self, until):
        asked = False
        while (left := until - time.monotonic()) > 0:
            frame = await self.frame(min(left, PATIENCE if asked else self.fleet.idle))
            if frame is not None:
                asked = False
                self.handle(*frame)
            elif until > time.monotonic():
                if asked:
                    raise TimeoutError("no answer to a heartbeat")
                asked = True
                self.send(HEARTBEAT, b"")
        await self.connection.leave()

    def handle(self, tag, body):
        if tag == HEARTBEAT:
            self.send(HEARTBEAT_ACK, b"")
        elif tag == CLOSE:
            raise Broken("closed by the service")
        elif tag == DATA:
            fields = dict(parse(body))
            identity = self.receive(self.name, fields.get(21, b""))
            # A message with TTL 0 has no ID.
            if 9 in fields:
                self.received_ids = [*self.received_ids, fields[9]][-NAMED_AT_LOGIN:]
            extension = integer(1, 13) + text(2, b"")
            self.send(IQ, integer(2, 1) + text(3, b"") + text(7, extension) + integer(10, self.frames))
            if identity:
                self.record("acknowledged", node=self.node, number=identity.number, durable=False)

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None


def expect(response, what):
    if response.status != 200:
        raise Broken(f"{what}: status {response.status}")
    return response


def varint(number):
    encoded = b""
    while number > 0x7F:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


def integer(field, number):
    return varint(field << 3) + varint(number)


def text(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def parse(data):
    """Yields the fields of a protobuf message, each with its number."""
    position = 0

    def read():
        nonlocal position
        number = shift = 0
        while True:
            byte = data[position]
            position += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while position < len(data):
        key = read()
        match key & 7:
            case 0:
                yield key >> 3, read()
            case 1:
                yield key >> 3, int.from_bytes(data[position:position + 8], "little")
                position += 8
            case 2:
                length = read()
                yield key >> 3, data[position:position + length]
                position += length
            case wire:
                raise Broken(f"wire type {wire}")
