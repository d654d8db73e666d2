"""The same reliability suite against webpush-server and its peers, through public protocols only.

    python3 interop/peers suite --subject webpush-server --server target/dist/webpush-server \
        --powercut target/release/webpush-powercut --directory /tmp/run
    python3 interop/peers suite --autopush DIR --server PROGRAM --powercut PROGRAM --directory /tmp/run   # all subjects
    python3 interop/peers suite --only power-cut,storm …        # some scenarios
    python3 interop/peers check /tmp/run                        # the same table from the histories
    python3 interop/peers test                                  # the checker on histories that are broken

Each scenario has a service, a store and clients of its own: agents on the autopush WebSocket protocol, and senders that
POST with a TTL over HTTP/1.1. Half of the agents stay connected; 30 % leave and come back; 20 % are out of reach for 1
to 4 s at times: their connection stays open, they read nothing, and then come back by another connection. A tenth of
the messages has a topic. After a failure, agents and senders try again within 0.5 to 1.5 s. A program that ends by
itself is started again after 1 s, as systemd or Docker would.

At the end all agents come back and stay, and then reconnect twice if something is missing. The checker reads only what
clients saw; the events are those of interop/cluster, whose rules for losses and settled acknowledgements these are.

| column | meaning |
|---|---|
| accepted | messages with 201 |
| not accepted | requests without 201 |
| lost | accepted, not expired, not replaced by their topic, and never received |
| delivered again | received on a later connection than the one on which they were acknowledged |
| of these settled | acknowledged when the service worked for 5 s more without a pause, and delivered after that |
| agents forgotten | `hello` returned another ID: all subscriptions of the agent are gone |
| accepts after | from the repair (the start of the programs, free space) to the first 201; the longest of all faults |
| delivers after | the same to the first delivery of a message sent since |
| agents back after | from the repair until all agents that lost their connection had one |
| agents absent | without a connection at the end |
| ended by themselves | programs, and how often |

The suite runs in a network and a mount namespace of its own, hence as root: nothing listens on an address of this
machine, and no mount outlives it. `--autopush DIR` is a checkout of autopush-rs in which this was run:

    cargo build --release --locked -p autoconnect -p autoendpoint --no-default-features --features redis,postgres

Its stores are Debian's `redis-server` and `postgresql`. Exit status 1 says that a service did not keep what it had
confirmed, or did not recover.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Clients of protocols, histories and the checker are those of the cluster's suite.
sys.path.append(str(HERE.parent / "cluster"))

import clients
import runs

# Set in the namespaces.
INSIDE = "WEBPUSH_PEERS_INSIDE"


def run_suite(arguments):
    if INSIDE not in os.environ:
        if os.geteuid():
            sys.exit("the suite needs namespaces and mounts: run it as root")
        command = ["unshare", "--net", "--mount", sys.executable, str(HERE), *sys.argv[1:]]
        os.execvpe(command[0], command, {**os.environ, INSIDE: "1"})
    # A suite in the background ignores SIGINT; either must end what was started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(130))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return runs.run(arguments)


def run_tests(_):
    found = unittest.defaultTestLoader.discover(str(HERE))
    return unittest.TextTestRunner().run(found).wasSuccessful()


def parse():
    parser = argparse.ArgumentParser(prog="interop/peers", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("suite", help="run scenarios, and print a row for each")
    runs.add_arguments(command)
    command.set_defaults(run=run_suite)

    command = commands.add_parser("check", help="print the table of runs from their histories")
    command.add_argument("directory", type=Path)
    command.set_defaults(run=runs.check)

    command = commands.add_parser("test", help="test the checker")
    command.set_defaults(run=run_tests)

    command = commands.add_parser("clients", help="run the process of the clients only")
    command.add_argument("--connect", required=True, metavar="HOST:PORT", help="for agents")
    command.add_argument("--push", required=True, metavar="HOST:PORT", help="for senders")
    command.add_argument("--directory", required=True)
    clients.add_arguments(command)
    command.set_defaults(run=lambda arguments: asyncio.run(clients.run(arguments)) is None)
    return parser.parse_args()


if __name__ == "__main__":
    options = parse()
    sys.exit(0 if options.run(options) else 1)
