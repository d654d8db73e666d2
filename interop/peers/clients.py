"""The process of all clients: agents on the autopush WebSocket protocol, and senders that POST.

SIGUSR2 makes all agents lose their connections and come back at the same moment. SIGUSR1 ends sending, and makes all
agents come back and stay; again, it makes each of them reconnect once. SIGTERM ends the process.
"""

import asyncio
import base64
import contextlib
import random
import signal
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import message
from agent import describe
from history import Recorder
from http1 import FAILURES, Broken, NotSent, Pool
from websocket import PING, WebSocket

# Longest wait for a response, as in Firefox.
PATIENCE = 10.0
# Silence after which an agent sends a PING frame; autopush-rs closes connections with more frequent `{}`.
IDLE = 10.0
# In seconds, uniform: before an agent or a sender tries again after a failure.
RETRY = 0.5, 1.5
# Agents reconnect within this time when they are to.
RECONNECT_SECONDS = 3.0
# The service counts as one node.
NODE = "service"
# Raised by a peer that says something unexpected as well.
LOST = (NotSent, *FAILURES, KeyError, TypeError)


def add_arguments(parser):
    parser.add_argument("--agents", type=int, default=300, help="[default: %(default)s]")
    parser.add_argument("--senders", type=int, default=32, metavar="N",
                        help="requests in flight at most [default: %(default)s]")
    parser.add_argument("--rate", type=float, default=75, help="messages per second [default: %(default)s]")
    parser.add_argument("--seed", default="1", help="of everything random [default: %(default)s]")


class Socket(WebSocket):
    pong = {}

    def abort(self):
        """Drops what was not read."""
        self.writer.transport.abort()


class Fleet:
    """Shared by all clients."""

    def __init__(self, arguments, recorder):
        self.connect, self.push = arguments.connect, arguments.push
        self.recorder, self.random = recorder, random.Random(arguments.seed)
        self.settling = asyncio.Event()
        self.pool = Pool(PATIENCE)
        self.agents = [Agent(self, f"agent-{number}", habit)
                       for number, habit in zip(range(arguments.agents), habits(arguments.agents))]

    def retry_delay(self):
        return self.random.uniform(*RETRY)


def habits(count):
    """Half of the agents stay connected, 30 % come and go, 20 % are out of reach at times."""
    return (["stays"] * 5 + ["leaves"] * 3 + ["fades"] * 2)[:10] * (count // 10 + 1)


class Agent:
    def __init__(self, fleet, name, habit):
        self.fleet, self.name, self.habit = fleet, name, habit
        self.uaid, self.channel, self.path = None, None, None
        # Number of its connections so far.
        self.connection = 0
        self.socket, self.heard_at = None, 0.0
        # Ends the current connection or absence.
        self.interruption, self.interrupted = None, asyncio.Event()

    def record(self, event, **members):
        self.fleet.recorder.record(self.name, event, node=NODE, **members)

    async def run(self):
        """Never returns."""
        fleet = self.fleet
        while True:
            self.interruption = None
            self.interrupted.clear()
            try:
                await self.connect()
            except LOST as error:
                self.close()
                self.record("unreachable", reason=describe(error))
                await self.pause(fleet.retry_delay())
                continue
            self.record("connected", connection=self.connection)
            try:
                away = await self.listen()
                reason = "left"
            except LOST as error:
                reason, away = self.interruption or describe(error), 0.0 if self.interruption else fleet.retry_delay()
            self.close()
            self.record("disconnected", reason=reason)
            if away:
                await self.pause(away)

    async def pause(self, seconds):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.interrupted.wait()

    async def connect(self):
        self.connection += 1
        self.socket = await Socket.open(self.fleet.connect, PATIENCE)
        self.heard_at = time.monotonic()
        known = {"uaid": self.uaid} if self.uaid else {}
        self.socket.send({"messageType": "hello", "use_webpush": True, "broadcasts": {}, **known})
        uaid = (await self.response("hello"))["uaid"]
        if uaid != self.uaid:
            if self.path:
                self.record("forgotten", reason="hello returned another uaid")
            self.uaid, self.path = uaid, None
        if not self.path:
            self.channel = str(uuid.UUID(int=self.fleet.random.getrandbits(128), version=4))
            self.socket.send({"messageType": "register", "channelID": self.channel})
            response = await self.response("register")
            if response["status"] != 200:
                raise Broken(f"register: {response}")
            self.path = urlsplit(response["pushEndpoint"]).path

    async def response(self, kind):
        async with asyncio.timeout(PATIENCE):
            while True:
                heard = await self.socket.receive(PATIENCE, PATIENCE)
                if heard is None:
                    raise TimeoutError(f"no {kind}")
                if heard.get("messageType") == kind:
                    return heard
                self.handle(heard)

    async def listen(self):
        """Returns for how long the agent wants to be away."""
        fleet = self.fleet
        mean = {"stays": None, "leaves": 6.0, "fades": 5.0}[self.habit]
        ends = time.monotonic() + fleet.random.expovariate(1 / mean) if mean else float("inf")
        asked = False
        while True:
            left = float("inf") if fleet.settling.is_set() else ends - time.monotonic()
            if left <= 0:
                break
            # Wakes up once a second to see whether it is to stay.
            heard = await self.hear(min(left, 1.0), asked)
            if heard is not None:
                asked = False
                self.handle(heard)
            elif time.monotonic() > self.heard_at + IDLE and not asked:
                asked = True
                self.socket.frame(PING, b"")
        if self.habit == "leaves":
            await self.socket.leave()
            return fleet.random.uniform(1.0, 6.0)
        # Out of reach: what was sent meanwhile has not arrived, and the next connection comes from another network.
        await self.pause(fleet.random.uniform(1.0, 4.0))
        if self.interruption:
            raise Broken(self.interruption)
        self.socket.abort()
        return fleet.random.uniform(0.2, 1.0)

    async def hear(self, seconds, asked):
        heard = await self.socket.receive(seconds, PATIENCE)
        if heard is not None:
            self.heard_at = time.monotonic()
        elif asked and time.monotonic() > self.heard_at + IDLE + PATIENCE:
            raise TimeoutError("no answer to a ping")
        return heard

    def handle(self, heard):
        if heard.get("messageType") != "notification" or heard["channelID"] != self.channel:
            return
        data = heard.get("data", "")
        try:
            number = message.decode(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))).number
        except message.Damaged as error:
            self.record("damaged", body=str(error))
            return
        self.record("received", number=number, subscription=self.name, connection=self.connection)
        update = {"channelID": heard["channelID"], "version": heard["version"], "code": 100}
        self.socket.send({"messageType": "ack", "updates": [update]})
        self.record("acknowledged", number=number, durable=False, connection=self.connection)

    def interrupt(self, reason):
        """Ends the connection or the absence at once."""
        self.interruption = reason
        self.interrupted.set()
        # Its reader sees its end.
        if self.socket:
            self.socket.close()

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None


class Senders:
    def __init__(self, fleet, arguments):
        self.fleet = fleet
        self.interval = arguments.senders / arguments.rate
        self.number = 0

    def record(self, event, **members):
        self.fleet.recorder.record("sender", event, node=NODE, **members)

    async def send_all(self):
        chance = self.fleet.random
        await self.pause(chance.uniform(0, self.interval))
        while not self.fleet.settling.is_set():
            agent = chance.choice(self.fleet.agents)
            # An agent that is about to subscribe anew has no URL.
            is_good = agent.path is None or await self.send(agent)
            await self.pause(min(5.0, chance.expovariate(1 / self.interval)) if is_good else self.fleet.retry_delay())

    async def pause(self, seconds):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.fleet.settling.wait()

    async def send(self, agent):
        """Returns false if the next message should be later."""
        chance, self.number = self.fleet.random, self.number + 1
        number = self.number
        body = message.encode(message.Identity(number, agent.name, number), chance.choice([60, 200, 1000, 3500]))
        topic = f"topic-{chance.randrange(3)}" if chance.random() < 0.1 else None
        ttl = chance.choice([3600, 86400])
        headers = [("ttl", ttl), ("content-encoding", "aes128gcm"), *([("topic", topic)] if topic else [])]
        self.record("sent", number=number, subscription=agent.name, protocol="websocket", ttl=ttl, receipt=False,
                    **({"topic": topic} if topic else {}))
        try:
            response = await self.fleet.pool.request(self.fleet.push, "POST", agent.path, headers, body)
        except NotSent as error:
            self.record("refused", number=number, reason=describe(error))
            return False
        except FAILURES as error:
            self.record("unknown", number=number, reason=describe(error))
            return False
        if response.status == 201:
            self.record("accepted", number=number, status=201, ttl=int(response.headers["ttl"]),
                        message=urlsplit(response.headers["location"]).path.rsplit("/", 1)[-1])
            return True
        # Only an error of the service leaves open whether it has the message.
        outcome = "unknown" if response.status >= 500 else "refused"
        self.record(outcome, number=number, reason=f"status {response.status}",
                    body=response.body[:200].decode(errors="replace"))
        return False


async def reconnect(fleet):
    """Ends each connection once, in its turn."""
    async def end(agent):
        await asyncio.sleep(fleet.random.uniform(0, RECONNECT_SECONDS))
        agent.interrupt("left")
    await asyncio.gather(*(end(agent) for agent in fleet.agents))


def storm(fleet):
    for agent in fleet.agents:
        agent.interrupt("storm")


async def run(arguments):
    directory = Path(arguments.directory)
    recorder = Recorder(directory / "clients.jsonl")
    fleet = Fleet(arguments, recorder)
    senders = Senders(fleet, arguments)
    ended, tasks = asyncio.Event(), []

    def settle():
        if fleet.settling.is_set():
            tasks.append(asyncio.create_task(reconnect(fleet)))
        fleet.settling.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, settle)
    loop.add_signal_handler(signal.SIGUSR2, storm, fleet)
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    tasks += [asyncio.create_task(agent.run()) for agent in fleet.agents]
    while not all(agent.path for agent in fleet.agents):
        await asyncio.sleep(0.1)
    (directory / "subscribed").touch()
    tasks += [asyncio.create_task(senders.send_all()) for _ in range(arguments.senders)]
    while not ended.is_set():
        recorder.flush()
        for task in tasks:
            if task.done() and task.exception():
                raise task.exception()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await ended.wait()
    recorder.close()
