"""A cluster on this machine, without Patroni: nodes, a primary, and standbys of which one confirms each commit."""

import os
import secrets
import shutil
import subprocess
import sys

from cluster import UNLIMITED, Cluster, Node
from network import Network
from pgbouncer import PgBouncer
from postgres import Member, Postgres, find_programs, programs_user

# Of the volume for a member's WAL: a multiple of what is kept there.
WAL_BYTES = "400m"


def start_simple(arguments, directory):
    """Returns a running cluster."""
    programs = find_programs() or sys.exit("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    # For PostgreSQL's user.
    directory.chmod(0o755)
    cluster = Cluster(directory, [])
    try:
        cluster.network = Network() if arguments.namespaces else None
        build(cluster, arguments, programs)
    except BaseException:
        cluster.stop()
        raise
    return cluster


def build(cluster, arguments, programs):
    directory, network, user = cluster.directory, cluster.network, programs_user()
    ports = iter(range(arguments.port, arguments.port + 100))

    def place(name):
        """Returns where a program runs, and its host."""
        if not network:
            return {}, "127.0.0.1"
        namespace, host = network.add(name)
        return {"namespace": namespace}, host

    members = []
    for index in range(1 + arguments.standbys):
        name = f"pg{index + 1}"
        options, host = place(name)
        (directory / name).mkdir()
        members.append(Member(programs, name, host, next(ports), directory / name / "data", user=user, **options))
    cluster.postgres = Postgres(members, mount_volumes(cluster, members) if os.geteuid() == 0 else {})
    cluster.postgres.create()

    hosts = ",".join(f"{member.host}:{member.port}" for member in members)
    secret = directory / "secret"
    secret.write_text(secrets.token_hex(32) + "\n")
    secret.chmod(0o600)
    cluster.origin = f"http://127.0.0.1:{next(ports)}"
    if shutil.which("pgbouncer"):
        options, host = place("pgbouncer")
        cluster.pgbouncer = PgBouncer(directory / "pgbouncer", host, next(ports), members[0], user=user, **options)
        cluster.postgres.on_promotion.append(cluster.pgbouncer.follow)
    for index in range(arguments.nodes + arguments.spare_nodes):
        name = f"node-{index + 1}"
        options, host = place(name)
        port, mcs = next(ports), f"{host}:{next(ports)}"
        # The last of the running nodes reaches its store through PgBouncer.
        through = index and index + 1 == arguments.nodes and cluster.pgbouncer
        store = f"{through.host}:{through.port}" if through else hosts
        argv = [arguments.server, "serve", "--host", host, "--port", port, "--plaintext", "--admin", "off",
                "--store", f"postgres://postgres@{store}/postgres?sslmode=disable", "--store-secret-file", secret,
                "--data-dir", directory / name, "--origin", cluster.origin, "--chromium", mcs, *UNLIMITED,
                *arguments.node_options]
        nodes = cluster.nodes if index < arguments.nodes else cluster.spares
        nodes.append(Node(name, f"{host}:{port}", mcs, argv, directory / f"{name}.log", **options))
    for node in cluster.nodes:
        node.start()
    cluster.wait_until_ready()


def mount_volumes(cluster, members):
    """Returns a small volume for the WAL of each member, in memory, which is enough for `kill -9`."""
    volumes = {}
    for member in members:
        volume = member.data.parent / "wal"
        volume.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={WAL_BYTES},mode=0700", "webpush-wal", volume], check=True)
        cluster.on_stop.append(lambda volume=volume: subprocess.run(["umount", "-l", volume], check=False))
        volumes[member.name] = volume
    return volumes
