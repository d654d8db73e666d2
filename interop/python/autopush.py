"""Shared by the autopush scripts: an agent on the package `websockets`, and an app that `pywebpush` sends to."""

import asyncio
import base64
import functools
import json
import os
import ssl
import uuid

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid
from pywebpush import WebPushException, webpush
from websockets.asyncio.client import connect

from lib import ORIGIN, check, expect

# Time limit of each wait.
PATIENCE = 10.0


class App:
    """Something on the device that wants pushes, and its server."""

    def __init__(self):
        self.channel = str(uuid.uuid4())
        self.key, self.auth, self.vapid = ec.generate_private_key(ec.SECP256R1()), os.urandom(16), Vapid()
        self.vapid.generate_keys()
        self.endpoint = None

    @property
    def sender_key(self):
        return base64url(point(self.vapid.public_key))

    async def push(self, text, **headers):
        """Returns the status of the response."""
        keys = {"p256dh": base64url(point(self.key.public_key())), "auth": base64url(self.auth)}
        call = functools.partial(
            webpush, {"endpoint": self.endpoint, "keys": keys}, text, headers=headers, ttl=60, timeout=PATIENCE,
            vapid_private_key=self.vapid, vapid_claims={"sub": "mailto:interop@example.com"},
        )
        try:
            return (await asyncio.to_thread(call)).status_code
        except WebPushException as error:
            return error.response.status_code

    def decrypt(self, message):
        data = message["data"]
        body = base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))
        return http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm").decode()


class Agent:
    """Sends what it is told to, and keeps its uaid across connections."""

    def __init__(self, **options):
        # No pings except those that the script sends.
        self.options = {"ping_interval": None, "open_timeout": PATIENCE, "close_timeout": PATIENCE, **options}
        if ORIGIN.startswith("https:"):
            self.options["ssl"] = ssl.create_default_context(cafile=os.environ["WEBPUSH_CA"])
        self.uaid = None
        self.socket = None

    async def connect(self):
        self.socket = await connect("ws" + ORIGIN.removeprefix("http") + "/", **self.options)
        expect(self.socket.subprotocol, None, "subprotocol")

    async def close(self):
        await self.socket.close()

    async def say(self, message_type=None, **members):
        kind = {"messageType": message_type} if message_type else {}
        await self.socket.send(json.dumps({**kind, **members}, separators=(",", ":")))

    async def hear(self):
        return json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE))

    async def hear_status(self, message_type, status=200):
        """The next message, which must be this response."""
        answer = await self.hear()
        got = answer.get("messageType"), answer.get("status")
        expect(got, (message_type, status), f"type and status of {answer}")
        return answer

    def hello(self):
        """Of the members that Firefox sends only the uaid, and only if there is one."""
        return self.say("hello", **({"uaid": self.uaid} if self.uaid else {}))

    async def greet(self):
        """Connects and says hello. Returns true if the server knows its uaid."""
        await self.connect()
        await self.hello()
        return await self.take_uaid()

    async def take_uaid(self):
        known, self.uaid = self.uaid, (await self.hear_status("hello"))["uaid"]
        return self.uaid == known

    async def register(self, app):
        await self.say("register", channelID=app.channel, key=app.sender_key)
        answer = await self.hear_status("register")
        expect(answer["channelID"], app.channel, "channelID")
        app.endpoint = answer["pushEndpoint"]

    async def arrives(self, app, text):
        """The next message must be this one. It is not acknowledged yet."""
        message = await self.hear()
        got = message.get("messageType"), message.get("channelID")
        expect(got, ("notification", app.channel), f"type and channel of {message}")
        expect(message["headers"], {"encoding": "aes128gcm"}, "headers")
        expect(app.decrypt(message), text, "text")
        return message

    async def acknowledge(self, message):
        """Without a code."""
        update = {"channelID": message["channelID"], "version": message["version"]}
        await self.say("ack", updates=[update])

    async def nothing_more(self):
        """Anything in flight would arrive before the response to this ping."""
        await self.say()
        expect(await self.hear(), {}, "answer to {}")

    async def ping_frame(self):
        await asyncio.wait_for(await self.socket.ping(), PATIENCE)


async def holds_back(agent, app):
    """Sets the minimum urgency to "high", then to the lowest."""
    await agent.say("urgency", min="high")
    await agent.hear_status("urgency")
    expect(await app.push("can wait", Urgency="low"), 201, "status")
    expect(await app.push("at once", Urgency="high"), 201, "status")
    await agent.acknowledge(await agent.arrives(app, "at once"))
    await agent.nothing_more()
    await agent.say("urgency", min="very-low")
    await agent.hear_status("urgency")
    await agent.acknowledge(await agent.arrives(app, "can wait"))
    await agent.say("urgency", min="loud")
    await agent.hear_status("urgency", 400)


def scenario(function):
    """A check that is a coroutine."""
    check(functools.wraps(function)(lambda: asyncio.run(function())))


def point(key):
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
