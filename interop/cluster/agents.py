"""The process of all agents. SIGUSR1 makes them come back and stay; SIGTERM ends the process."""

import asyncio
import json
import os
import random
import signal
from pathlib import Path

from agent import Fleet
from autopush import Autopush
from events import Events
from history import Recorder
from nodes import Nodes


def add_arguments(parser):
    parser.add_argument("--agents", type=int, default=1000, help="agents in all [default: %(default)s]")
    parser.add_argument("--events", type=int, default=200, metavar="N",
                        help="of these with server-sent events [default: %(default)s, at most a fifth]")
    parser.add_argument("--stay", type=float, default=120, metavar="SECONDS",
                        help="mean time for which an agent stays connected [default: %(default)s]")
    parser.add_argument("--away", type=float, default=10, metavar="SECONDS",
                        help="longest time for which it is away then [default: %(default)s]")


def kinds(arguments):
    """Returns the class of each agent; the rest are on WebSockets."""
    events = min(arguments.events, arguments.agents // 5)
    classes = [Events] * events
    return classes + [Autopush] * (arguments.agents - len(classes))


async def run(arguments):
    directory = Path(arguments.directory)
    recorder = Recorder(directory / "agents.jsonl")
    seeded = random.Random(f"{arguments.seed} agents")
    fleet = Fleet(recorder, Nodes(arguments.nodes, seeded), seeded, arguments.stay, arguments.away)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, fleet.settling.set)
    loop.add_signal_handler(signal.SIGTERM, ended.set)

    subscribed, classes = asyncio.Semaphore(0), kinds(arguments)
    for number, kind in enumerate(classes):
        channels = 3 if number % 10 == 0 else 1
        fleet.start(kind(fleet, f"agent-{number}", channels).run(subscribed))
    for _ in classes:
        await subscribed.acquire()
    # Written beside its place first, so that nobody reads half of it.
    written = directory / "subscriptions.json.new"
    written.write_text(json.dumps(fleet.subscriptions))
    os.rename(written, directory / "subscriptions.json")

    while not ended.is_set():
        recorder.flush()
        try:
            async with asyncio.timeout(0.5):
                await ended.wait()
        except TimeoutError:
            pass
    recorder.close()
