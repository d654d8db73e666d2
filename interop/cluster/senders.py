"""The process of all senders. SIGTERM makes them finish what is in flight; the process ends when that is done."""

import asyncio
import json
import random
import signal
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import message
from agent import PATIENCE, Forgotten, describe
from events import EventStream
from history import Recorder
from http1 import FAILURES, NotSent, Pool
from nodes import Nodes

URGENCIES = ["very-low", "low", "normal", "normal", "normal", "high"]
# Errors after which the message may be stored all the same.
UNKNOWN = "store-unavailable"
# A sender asks for its receipts again after this time, by which it acknowledges those that it has.
RECEIPTS_SECONDS = 20.0


def add_arguments(parser):
    parser.add_argument("--senders", type=int, default=20, help="senders [default: %(default)s]")
    parser.add_argument("--in-flight", type=int, default=4, metavar="N",
                        help="messages in flight of each [default: %(default)s]")
    parser.add_argument("--rate", type=float, default=200,
                        help="messages per second of all together [default: %(default)s]")


class Office:
    """Shared by the senders of a process."""

    def __init__(self, arguments, recorder):
        self.recorder = recorder
        self.random = random.Random(f"{arguments.seed} senders")
        self.nodes = Nodes(arguments.nodes, self.random)
        self.pool = Pool(PATIENCE)
        self.subscriptions = json.loads((Path(arguments.directory) / "subscriptions.json").read_text())
        self.random.shuffle(self.subscriptions)
        self.interval = arguments.senders * arguments.in_flight / arguments.rate
        self.number, self.sequences = 0, Counter()
        self.stopping = asyncio.Event()

    def draft(self):
        """Returns the parameters of a message, and its subscription: half of all go to a twentieth of them."""
        chance = self.random.random
        few = max(1, len(self.subscriptions) // 20)
        subscription = self.subscriptions[self.random.randrange(few if chance() < 0.5 else len(self.subscriptions))]
        kind = chance()
        return subscription, {
            "ttl": 0 if kind < 0.05 else 10 if kind < 0.10 else self.random.choice([3600, 86400]),
            "topic": f"topic-{self.random.randrange(3)}" if chance() < 0.15 else None,
            "urgency": self.random.choice(URGENCIES),
            "receipt": chance() < 0.1,
            "size": self.random.choice([60, 200, 200, 1000, 3500]),
        }

    async def wait(self, seconds):
        """Waits, but not longer than until the senders stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            pass


class Sender:
    """Sends on several connections, and reads its receipts."""

    def __init__(self, office, name):
        self.office, self.name = office, name
        # The receipt subscription, once the service has created one, and whether it is just asked to.
        self.receipts, self.is_creating = None, False

    def record(self, event, **members):
        self.office.recorder.record(self.name, event, **members)

    async def send_all(self):
        """One message after the other, until the senders stop."""
        office, node, draft = self.office, None, None
        await office.wait(office.random.uniform(0, office.interval))
        while not office.stopping.is_set():
            node = office.nodes.choose(node)
            subscription, parameters = draft = draft or office.draft()
            creates = parameters["receipt"] and not self.receipts
            if creates and self.is_creating:
                # This one would create another receipt subscription, which nobody reads.
                draft = subscription, {**parameters, "receipt": False}
                continue
            self.is_creating = self.is_creating or creates
            # A message that was not accepted is sent again as a new one.
            if await self.send(node, subscription, parameters):
                draft = None
            self.is_creating = self.is_creating and not creates
            await office.wait(min(30.0, office.random.expovariate(1 / office.interval)))

    async def send(self, node, subscription, parameters):
        """Returns true if the message need not be sent again."""
        office = self.office
        office.number += 1
        office.sequences[subscription["name"]] += 1
        number, name = office.number, subscription["name"]
        body = message.encode(message.Identity(number, name, office.sequences[name]), parameters["size"])
        headers = [("ttl", parameters["ttl"]), ("urgency", parameters["urgency"]), ("content-encoding", "aes128gcm")]
        if parameters["topic"]:
            headers.append(("topic", parameters["topic"]))
        if "authorization" in subscription:
            headers.append(("authorization", subscription["authorization"]))
        if parameters["receipt"]:
            headers.append(("prefer", "respond-async"))
            if self.receipts:
                headers.append(("link", f'<{self.receipts}>; rel="urn:ietf:params:push:receipt"'))
        self.record("sent", number=number, subscription=name, protocol=subscription["protocol"], node=node,
                    **{key: parameters[key] for key in ("ttl", "topic", "receipt") if parameters[key] is not None})
        try:
            response = await office.pool.request(node, "POST", subscription["path"], headers, body)
        except NotSent as error:
            office.nodes.fail(node)
            self.record("refused", number=number, node=node, reason=describe(error))
            return False
        except FAILURES as error:
            office.nodes.fail(node)
            self.record("unknown", number=number, node=node, reason=describe(error))
            return False
        return await self.take(response, node, number)

    async def take(self, response, node, number):
        status, headers = response.status, response.headers
        if status in (201, 202):
            if status == 202 and not self.receipts:
                self.receipts = headers["link"].split("<")[1].split(">")[0]
            self.record("accepted", number=number, node=node, status=status, ttl=int(headers["ttl"]),
                        message=headers["location"].rsplit("/", 1)[-1])
            return True
        if status in (404, 410):
            self.record("forgotten", number=number, node=node, reason=f"status {status} for a subscription")
            return True
        kind = problem(response.body)
        self.record("unknown" if status >= 500 and kind in (None, UNKNOWN, "internal", "store-corrupt") else "refused",
                    number=number, node=node, reason=f"status {status} {kind}")
        self.office.nodes.fail(node)
        await self.office.wait(min(5.0, float(headers.get("retry-after", 1))))
        return False

    async def read_receipts(self):
        """Never returns. A receipt is acknowledged by asking for what comes after it."""
        office, node, last_id = self.office, None, None
        while True:
            if self.receipts is None:
                await asyncio.sleep(0.5)
                continue
            node = office.nodes.choose(node)
            stream = None
            try:
                stream = await EventStream.open(node, urlsplit(self.receipts).path, last_id)
                self.record("resumed", node=node, receipt=tail(last_id))
                until = time.monotonic() + RECEIPTS_SECONDS
                while fields := await stream.next(until):
                    if fields["event"] == "gone":
                        raise Forgotten("event gone")
                    data, last_id = json.loads(fields["data"]), fields["id"]
                    self.record("receipt", node=node, receipt=tail(last_id), message=tail(data["url"]),
                                status=data["status"])
            except Forgotten as error:
                self.record("forgotten", node=node, reason=f"receipt subscription: {error}")
                return
            except (NotSent, *FAILURES):
                office.nodes.fail(node)
                await asyncio.sleep(office.random.uniform(0.2, 1.0))
            finally:
                if stream:
                    stream.close()


def tail(url):
    return url and url.rsplit("/", 1)[-1]


def problem(body):
    """Returns the type of a problem document without its path; `None` if the body is none."""
    try:
        return json.loads(body)["type"].rsplit("#", 1)[-1]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


async def run(arguments):
    recorder = Recorder(Path(arguments.directory) / "senders.jsonl")
    office = Office(arguments, recorder)
    finishing = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The first signal ends sending; receipts are read until the second.
    loop.add_signal_handler(signal.SIGUSR1, office.stopping.set)
    loop.add_signal_handler(signal.SIGTERM, finishing.set)
    if arguments.health_checks:
        await office.nodes.start_checks(arguments.health_checks)
    senders = [Sender(office, f"sender-{number}") for number in range(arguments.senders)]
    readers = [asyncio.create_task(sender.read_receipts()) for sender in senders]
    workers = [asyncio.create_task(sender.send_all()) for sender in senders for _ in range(arguments.in_flight)]
    while not finishing.is_set():
        recorder.flush()
        for task in (*readers, *workers):
            if task.done() and task.exception():
                raise task.exception()
        try:
            async with asyncio.timeout(0.5):
                await finishing.wait()
        except TimeoutError:
            pass
    office.stopping.set()
    await asyncio.gather(*workers)
    recorder.close()
