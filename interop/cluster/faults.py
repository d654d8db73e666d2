"""The faults. Each is a function that makes it, lasts as long as it does, and repairs everything."""

import signal
from dataclasses import dataclass
from typing import Callable

from cluster import pause

# For how long a fault lasts that ends by itself.
LASTS = 8.0
# Agents notice within 20 s that their node is silent, and are then with another one.
FREEZES = 30.0


@dataclass
class Fault:
    name: str
    title: str
    run: Callable
    # Members of the cluster that must be there.
    needs: tuple[str, ...]

    def lacks(self, cluster):
        """Returns what the cluster does not have; `None` if the fault can be made."""
        return next((need for need in self.needs if not HAS[need](cluster)), None)


HAS = {
    "several nodes": lambda cluster: len(cluster.nodes) > 1,
    "PostgreSQL": lambda cluster: cluster.postgres is not None,
    "two standbys": lambda cluster: cluster.postgres is not None and len(cluster.postgres.members) > 2,
    "network namespaces": lambda cluster: cluster.network is not None,
    "PgBouncer": lambda cluster: cluster.pgbouncer is not None,
}
FAULTS = []


def fault(title, *needs):
    """Registers a fault by the name of its function."""
    def register(function):
        FAULTS.append(Fault(function.__name__.replace("_", "-"), title, function, needs))
        return function
    return register


@fault("no fault")
def nothing(cluster):
    pause(LASTS)


@fault("`kill -9` of a node")
def kill_node(cluster):
    node = cluster.nodes[0]
    node.kill()
    pause(LASTS)
    node.start()
    node.wait_until_ready()


@fault("`kill -9` of a node that is started again at once")
def restart_node(cluster):
    node = cluster.nodes[-1]
    node.kill()
    node.start()
    node.wait_until_ready()
    pause(LASTS)


@fault("`kill -9` of all nodes", "several nodes")
def kill_all_nodes(cluster):
    for node in cluster.nodes:
        node.kill()
    pause(LASTS / 2)
    for node in cluster.nodes:
        node.start()
    cluster.wait_until_ready()


@fault("a node is stopped gracefully")
def stop_node(cluster):
    node = cluster.nodes[-1]
    node.terminate()
    pause(LASTS / 2)
    node.start()
    node.wait_until_ready()


@fault("a node is frozen (SIGSTOP), and goes on after its agents have moved")
def freeze_node(cluster):
    node = cluster.nodes[0]
    node.send(signal.SIGSTOP)
    pause(FREEZES)
    node.send(signal.SIGCONT)
    pause(LASTS)
