"""The cluster under test: nodes of the server, and the members of its PostgreSQL cluster if it has one."""

import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from processes import Program, Stuck, wait_until


# The load comes from one address, which in a namespace is not that of the node's machine.
UNLIMITED = ["--register-rate", "off", "--receipt-rate", "off", "--scan-rate", "off",
             "--max-connections-per-address", "0"]


class Node(Program):
    """A node of the server at an address (HOST:PORT), with a listener for Chromium at another one."""

    def __init__(self, name, address, mcs, *arguments, **options):
        super().__init__(name, *arguments, **options)
        self.address, self.mcs = address, mcs

    def use(self, program):
        """Runs another program from the next start on."""
        self.argv[0] = str(program)

    def is_ready(self):
        return is_ready(self.address)

    def wait_until_ready(self):
        wait_until(lambda: self.is_ready() or not self.is_alive(), f"{self.name} is ready")
        if not self.is_alive():
            raise Stuck(f"{self.name} ended with status {self.process.returncode}: {self.last_line()}")


@dataclass
class Cluster:
    directory: Path
    nodes: list[Node]
    # Nodes that are not started yet.
    spares: list[Node] = field(default_factory=list)
    # A `postgres.Postgres` or `patroni.Patroni`; `None` for a node with the embedded store.
    postgres: object = None
    # A `network.Network` or `patroni.Network` if each program has a namespace of its own.
    network: object = None
    # A `Program` between nodes and PostgreSQL.
    pgbouncer: object = None
    # What a node's URLs begin with.
    origin: str = ""
    on_stop: list = field(default_factory=list)

    def addresses(self):
        return [node.address for node in (*self.nodes, *self.spares)]

    def mcs_addresses(self):
        return [node.mcs for node in (*self.nodes, *self.spares) if node.mcs]

    def clients(self):
        """Returns the programs that connect to PostgreSQL."""
        return [*self.nodes, *([self.pgbouncer] if self.pgbouncer else [])]

    def wait_until_ready(self):
        if self.postgres:
            self.postgres.wait_until_replicated()
        for node in self.nodes:
            node.wait_until_ready()

    def stop(self):
        for node in self.nodes:
            node.kill()
        if self.pgbouncer:
            self.pgbouncer.kill()
        if self.postgres:
            self.postgres.stop()
        if self.network:
            self.network.remove()
        for action in self.on_stop:
            action()


def start_single(arguments, directory):
    """Returns a running node with the embedded store."""
    port = arguments.port
    address, mcs = f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"
    origin = f"http://{address}"
    argv = [arguments.server, "serve", "--port", port, "--data-dir", directory / "data", "--admin", "off",
            "--origin", origin, "--plaintext", "--chromium", mcs]
    node = Node("node-1", address, mcs, argv, directory / "node-1.log")
    node.start()
    node.wait_until_ready()
    return Cluster(directory, [node], origin=origin)


def is_ready(address):
    """Returns true if a node can store messages."""
    try:
        with urllib.request.urlopen(f"http://{address}/__heartbeat__", timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


def pause(seconds):
    """Lets the load go on while a fault lasts, or after it."""
    time.sleep(seconds)
