"""The faults. Each is a function that makes it, lasts as long as it does, and repairs everything."""

import contextlib
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from cluster import pause
from processes import wait_until

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
    "no Patroni": lambda cluster: cluster.postgres is not None and cluster.postgres.is_manual,
    "network namespaces": lambda cluster: cluster.network is not None,
    "PgBouncer": lambda cluster: cluster.pgbouncer is not None,
    "a small volume for WAL": lambda cluster: bool(cluster.postgres and cluster.postgres.volumes),
    "libfaketime": lambda cluster: faketime() is not None,
}
FAULTS = []
# For CI: what breaks most, in a few minutes.
QUICK = ["kill-node", "kill-all-nodes", "freeze-node", "cut-listeners", "restart-pgbouncer", "kill-primary",
         "kill-standbys", "switch-over", "partition-standbys", "partition-nodes", "force-stale-standby"]


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


@fault("listener connections cut (`pg_terminate_backend`), every second", "PostgreSQL")
def cut_listeners(cluster):
    for _ in range(int(LASTS)):
        cluster.postgres.primary().query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'webpush-listener'")
        pause(1)


@fault("PgBouncer killed and started again", "PgBouncer")
def restart_pgbouncer(cluster):
    cluster.pgbouncer.kill()
    pause(LASTS / 4)
    cluster.pgbouncer.start()
    pause(LASTS)


@fault("`kill -9` of the primary", "PostgreSQL", "two standbys")
def kill_primary(cluster):
    postgres = cluster.postgres
    old = postgres.primary()
    old.kill()
    pause(LASTS / 4)
    postgres.fail_over(old)
    pause(LASTS)
    postgres.rejoin()


@fault("`kill -9` of a synchronous standby", "PostgreSQL", "two standbys")
def kill_standby(cluster):
    postgres = cluster.postgres
    postgres.standbys()[0].kill()
    pause(LASTS)
    postgres.rejoin()


@fault("`kill -9` of both standbys", "PostgreSQL", "two standbys")
def kill_standbys(cluster):
    standbys = cluster.postgres.standbys()
    for standby in standbys:
        standby.kill()
    pause(LASTS)
    for standby in standbys:
        standby.start()


@fault("switchover", "PostgreSQL", "two standbys")
def switch_over(cluster):
    cluster.postgres.switch_over()
    pause(LASTS)


@fault("the primary cut off from its standbys, then replaced", "PostgreSQL", "two standbys", "network namespaces")
def partition_standbys(cluster):
    postgres, network = cluster.postgres, cluster.network
    old = postgres.primary()
    for standby in postgres.standbys():
        network.cut_both(old.name, standby.name)
    pause(LASTS)
    # Two primaries, of which the old one can confirm nothing, until it is fenced.
    postgres.fail_over(old)
    pause(LASTS / 2)
    postgres.fence(old)
    pause(LASTS)
    network.heal()
    postgres.rejoin()


@fault("the primary cut off from the nodes", "PostgreSQL", "network namespaces")
def partition_nodes(cluster):
    primary = cluster.postgres.primary()
    for client in cluster.clients():
        cluster.network.cut_both(primary.name, client.name)
    pause(LASTS)
    cluster.network.heal()


@fault("the nodes do not hear the primary, which hears them", "PostgreSQL", "network namespaces")
def partition_one_way(cluster):
    primary = cluster.postgres.primary()
    for client in cluster.clients():
        cluster.network.cut(primary.name, client.name)
    pause(LASTS)
    cluster.network.heal()


@fault("one node cut off from PostgreSQL", "PostgreSQL", "several nodes", "network namespaces")
def partition_one_node(cluster):
    for member in cluster.postgres.members:
        cluster.network.cut_both(cluster.nodes[0].name, member.name)
    pause(FREEZES)
    cluster.network.heal()


@fault("a stale standby forced up when the others are gone", "PostgreSQL", "two standbys", "no Patroni")
def force_stale_standby(cluster):
    postgres = cluster.postgres
    primary, (fresh, stale) = postgres.primary(), postgres.standbys()
    began = time.monotonic()
    # Nothing reaches it any more, while the other standby confirms everything.
    postgres.follow(stale, "host=0.0.0.0 port=1 connect_timeout=1")
    pause(LASTS)
    primary.kill()
    fresh.kill()
    ended = time.monotonic()
    postgres.promote(stale)
    pause(LASTS / 4)
    postgres.rejoin()
    pause(LASTS)
    # Its operator has chosen to lose what was confirmed by the others alone.
    return {"given_up": [began, ended]}


@fault("the primary's volume for WAL full", "PostgreSQL", "two standbys", "a small volume for WAL")
def fill_disk(cluster):
    postgres = cluster.postgres
    primary = postgres.primary()
    filler = postgres.volumes[primary.name] / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
    try:
        # Until it needs a segment that there is no space for.
        wait_until(lambda: not primary.is_reachable() or not primary.query("SELECT pg_switch_wal()"),
                   "the primary has stopped", 30)
        pause(LASTS / 2)
        primary.kill()
        postgres.fail_over(primary)
        pause(LASTS / 2)
    finally:
        filler.unlink()
    postgres.rejoin()


@fault("the clock of one node 90 s ahead, that of another 90 s behind", "several nodes", "libfaketime")
def skew_clocks(cluster):
    ahead, behind = cluster.nodes[:2]
    for node, offset in ((ahead, "+90s"), (behind, "-90s")):
        node.terminate()
        node.start(LD_PRELOAD=str(faketime()), FAKETIME=offset, FAKETIME_DONT_FAKE_MONOTONIC="1",
                   DONT_FAKE_MONOTONIC="1")
        node.wait_until_ready()
    pause(2 * LASTS)
    for node in (ahead, behind):
        node.terminate()
        node.start()
        node.wait_until_ready()


def faketime():
    """Returns the library that changes the clock of a program; `None` if it is not installed."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
