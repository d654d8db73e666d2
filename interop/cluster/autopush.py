"""Agents that speak autopush's WebSocket protocol, as Firefox does."""

import asyncio
import base64
import time
import uuid
from urllib.parse import urlsplit

from agent import PATIENCE, Agent, Forgotten
from http1 import Broken
from websocket import WebSocket


class Autopush(Agent):
    protocol = "websocket"

    def __init__(self, fleet, name, channels):
        super().__init__(fleet, name, channels)
        self.uaid, self.socket = None, None
        self.channel_ids = [str(uuid.UUID(int=fleet.random.getrandbits(128), version=4)) for _ in range(channels)]
        self.unregistered = list(self.channel_ids)

    async def connect(self, node):
        self.socket = await WebSocket.open(node, PATIENCE)
        known = {"uaid": self.uaid} if self.uaid else {}
        self.socket.send({"messageType": "hello", "use_webpush": True, "broadcasts": {}, **known})
        uaid = (await self.response("hello"))["uaid"]
        if self.subscribed and uaid != self.uaid:
            raise Forgotten("hello returned another uaid")
        # The service remembers an agent from its first channel on.
        if uaid != self.uaid:
            self.uaid, self.unregistered = uaid, list(self.channel_ids)
        while self.unregistered:
            channel = self.unregistered[0]
            self.socket.send({"messageType": "register", "channelID": channel})
            response = await self.response("register")
            if response["status"] != 200:
                raise Broken(f"register: {response}")
            self.publish(channel, urlsplit(response["pushEndpoint"]).path)
            self.unregistered.pop(0)

    async def response(self, kind):
        async with asyncio.timeout(PATIENCE):
            while True:
                heard = await self.socket.receive(PATIENCE, PATIENCE)
                if heard is None:
                    raise TimeoutError(f"no {kind}")
                if heard.get("messageType") == kind:
                    return heard
                self.handle(heard)

    async def listen(self, until):
        asked = False
        while (left := until - time.monotonic()) > 0:
            heard = await self.socket.receive(min(left, PATIENCE if asked else self.fleet.idle), PATIENCE)
            if heard is not None:
                asked = False
                if not self.handle(heard):
                    break
            elif until > time.monotonic():
                if asked:
                    raise TimeoutError("no answer to a ping")
                asked = True
                self.socket.send({})
        await self.socket.leave()

    def handle(self, heard):
        """Returns false if the agent is to leave."""
        if heard.get("messageType") != "notification":
            return True
        data = heard.get("data", "")
        identity = self.receive(heard["channelID"], base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))
        if identity and self.forgets():
            return False
        update = {"channelID": heard["channelID"], "version": heard["version"], "code": 100}
        self.socket.send({"messageType": "ack", "updates": [update]})
        if identity:
            self.record("acknowledged", node=self.node, number=identity.number, durable=False)
        return True

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None
