"""The process of all agents. SIGUSR1 makes them come back and stay; SIGTERM ends the process."""

import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path

from agent import Fleet
from autopush import Autopush
from chromium import Chromium
from events import Events
from history import Recorder
from nodes import Nodes
from server_push import H2Connection, ServerPush


def add_arguments(parser):
    parser.add_argument("--agents", type=int, default=1000, help="agents in all [default: %(default)s]")
    parser.add_argument("--events", type=int, default=200, metavar="N",
                        help="of these with server-sent events [default: %(default)s, at most a fifth]")
    parser.add_argument("--server-push", type=int, default=20, metavar="N",
                        help="on held GETs over HTTP/2 [default: %(default)s, at most a fifth]; needs the package h2")
    parser.add_argument("--chromium", type=int, default=50, metavar="N",
                        help="that speak MCS, as Chromium does, if the nodes listen for it [default: %(default)s, at "
                             "most a fifth]")
    parser.add_argument("--stay", type=float, default=120, metavar="SECONDS",
                        help="mean time for which an agent stays connected [default: %(default)s]")
    parser.add_argument("--away", type=float, default=10, metavar="SECONDS",
                        help="longest time for which it is away then [default: %(default)s]")
    parser.add_argument("--idle", type=float, default=10, metavar="SECONDS",
                        help="silence after which an agent asks for its node [default: %(default)s]")
    parser.add_argument("--forgetful", type=int, default=100, metavar="N",
                        help="one message in N makes its agent leave without acknowledging it; 0 for none [default: "
                             "%(default)s]")
    parser.add_argument("--first-node", type=int, default=0, choices=[0, 1],
                        help="1: all agents are on the first node while it works [default: %(default)s]")


def kinds(arguments):
    """Returns the class of each agent; the rest are on WebSockets."""
    if arguments.server_push and H2Connection is None:
        sys.exit("agents on HTTP/2 need the package h2: use the Python of interop/install, or --server-push 0")
    wanted = [(Events, arguments.events), (ServerPush, arguments.server_push)]
    if arguments.mcs:
        Chromium.listeners = dict(zip(arguments.nodes, arguments.mcs, strict=True))
        wanted.append((Chromium, arguments.chromium))
    most = arguments.agents // 5
    classes = [kind for kind, count in wanted for _ in range(min(count, most))]
    return classes + [Autopush] * (arguments.agents - len(classes))


async def run(arguments):
    directory = Path(arguments.directory)
    recorder = Recorder(directory / "agents.jsonl")
    seeded = random.Random(f"{arguments.seed} agents")
    nodes = Nodes(arguments.nodes, seeded, bool(arguments.first_node))
    if arguments.health_checks:
        await nodes.start_checks(arguments.health_checks)
    fleet = Fleet(recorder, nodes, seeded, arguments.stay, arguments.away, arguments.idle, arguments.forgetful)
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
