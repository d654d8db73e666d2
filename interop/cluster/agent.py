"""The base of all agents: connects to a node, listens, leaves or loses the connection, and connects to another node."""

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import message
from history import Recorder
from http1 import FAILURES, Broken, NotSent, Pool
from nodes import Nodes

# Longest wait for the response to a request.
PATIENCE = 10.0


class Forgotten(Exception):
    """The service does not know an agent or a subscription that it has confirmed."""


@dataclass
class Fleet:
    """Shared by the agents of a process."""

    recorder: Recorder
    nodes: Nodes
    random: object
    # Mean time for which an agent stays connected, and longest time for which it is away.
    stay: float
    away: float
    # An agent that has heard nothing for this time asks whether its node is there, and waits for `PATIENCE`.
    idle: float
    # One in this number of messages makes its agent leave without acknowledging it; 0 for none.
    forgetful: int
    # Set when agents are to come back and stay.
    settling: asyncio.Event = field(default_factory=asyncio.Event)
    # Few connect at once, or all would time out on a busy machine.
    connecting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(100))
    pool: Pool = field(default_factory=lambda: Pool(PATIENCE))
    tasks: set = field(default_factory=set)
    # For senders: a dictionary for each subscription.
    subscriptions: list = field(default_factory=list)

    def start(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class Agent:
    """Subclasses implement `connect`, `listen` and `close`."""

    protocol = ""

    def __init__(self, fleet, name, channels):
        self.fleet, self.name, self.channels = fleet, name, channels
        self.node = None
        self.subscribed = False

    async def connect(self, node):
        """Opens a connection and subscribes if it is the first one."""
        raise NotImplementedError

    async def listen(self, until):
        """Receives until this time of the monotonic clock."""
        raise NotImplementedError

    def close(self):
        raise NotImplementedError

    async def run(self, subscribed):
        """Never returns. Releases the semaphore once the agent has its subscriptions."""
        fleet = self.fleet
        while True:
            self.node = fleet.nodes.choose(self.node)
            try:
                async with fleet.connecting:
                    await self.connect(self.node)
            except Forgotten as error:
                self.record("forgotten", node=self.node, reason=str(error))
                return
            except (NotSent, *FAILURES) as error:
                self.close()
                fleet.nodes.fail(self.node)
                self.record("unreachable", node=self.node, reason=describe(error))
                await asyncio.sleep(fleet.random.uniform(0.3, 1.0))
                continue
            if not self.subscribed:
                self.subscribed = True
                subscribed.release()
            self.record("connected", node=self.node)
            left = False
            try:
                await self.listen(time.monotonic() + fleet.random.expovariate(1 / fleet.stay))
                left, reason = True, "left"
            except Forgotten as error:
                self.record("forgotten", node=self.node, reason=str(error))
                return
            except FAILURES as error:
                fleet.nodes.fail(self.node)
                reason = describe(error)
            finally:
                self.close()
            self.record("disconnected", node=self.node, reason=reason)
            await self.pause(fleet.random.uniform(0.1, fleet.away if left else 1.0))

    async def pause(self, seconds):
        if self.fleet.settling.is_set():
            seconds = min(seconds, 1.0)
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self.fleet.settling.wait()
        except TimeoutError:
            pass

    def record(self, event, **members):
        self.fleet.recorder.record(self.name, event, protocol=self.protocol, **members)

    def publish(self, name, path, **members):
        """Tells senders of a subscription."""
        self.fleet.subscriptions.append({"name": name, "path": path, "protocol": self.protocol, **members})

    async def subscribe(self, node):
        """Subscribes as RFC 8030 has it, and returns the path of the subscription."""
        response = await self.fleet.pool.request(node, "POST", "/subscribe")
        if response.status != 201:
            raise Broken(f"subscribe: {response.status}")
        push = response.headers["link"].split('>; rel="urn:ietf:params:push"')[0].split("<")[-1]
        self.publish(self.name, urlsplit(push).path)
        return urlsplit(response.headers["location"]).path

    def receive(self, subscription, body):
        """Notes a message for a subscription. Returns its identity; `None` if its body is damaged."""
        try:
            identity = message.decode(body)
        except message.Damaged as error:
            self.record("damaged", node=self.node, body=str(error))
            return None
        self.record("received", node=self.node, number=identity.number, subscription=subscription)
        return identity

    def forgets(self):
        """Returns true if the agent is to leave now, without acknowledging the message."""
        fleet = self.fleet
        return bool(fleet.forgetful) and not fleet.settling.is_set() and fleet.random.randrange(fleet.forgetful) == 0

    def delete(self, path, number):
        """Acknowledges a message by DELETE, at any node, until one has responded."""
        self.fleet.start(self.keep_deleting(path, number))

    async def keep_deleting(self, path, number):
        fleet, node, began = self.fleet, self.node, time.monotonic()
        while True:
            try:
                response = await fleet.pool.request(node, "DELETE", path)
                if response.status in (204, 404):
                    self.record("acknowledged", node=node, number=number, durable=True, status=response.status,
                                took=round(time.monotonic() - began, 4))
                    return
            except (NotSent, *FAILURES):
                fleet.nodes.fail(node)
            await asyncio.sleep(fleet.random.uniform(0.2, 1.0))
            node = fleet.nodes.choose(node)


def describe(error):
    return f"{type(error).__name__} {error}".strip()[:200]
