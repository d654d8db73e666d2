"""The cluster of contrib/cluster: three nodes, and three PostgreSQL that Patroni and etcd look after."""

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

from cluster import UNLIMITED, Cluster, is_ready
from processes import PATIENCE, Stuck, children, psql, wait_until

SCRIPTS = Path(__file__).resolve().parents[2] / "contrib" / "cluster"
# A primary that is gone is replaced after Patroni's `ttl`, and an election and a promotion take a while.
FAILOVER_SECONDS = 90.0
MCS_PORT = 5228


class Script:
    """The commands `local` and `namespaces`."""

    def __init__(self, name, directory):
        self.command = [str(SCRIPTS / name), "--directory", str(directory)]

    def run(self, *arguments):
        """Returns the last line that the command printed."""
        done = subprocess.run([*self.command, *(str(argument) for argument in arguments)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise Stuck(f"{' '.join(self.command)} {arguments[0]} ended with status {done.returncode}")
        return (done.stdout.splitlines() or [""])[-1]


class Process:
    """A process that a script started, and those that belong to it."""

    def __init__(self, script, described):
        self.script, self.name, self.log = script, described["name"], described["log"]
        self.pid_files = [Path(described[key]) for key in ("pid_file", "postgres_pid_file") if key in described]

    def pids(self):
        """Returns the running ones of the processes with a PID file; PostgreSQL's is the last."""
        return [pid for file in self.pid_files if (pid := read_pid(file)) and is_running(pid)]

    def is_alive(self):
        return bool(self.pids())

    def start(self):
        self.script.run("start", self.name)

    def send(self, number):
        for pid in self.pids():
            os.kill(pid, number)

    def kill(self):
        for pid in self.pids():
            for victim in [pid, *children(pid)]:
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        wait_until(lambda: not self.is_alive(), f"{self.name} has ended")

    def terminate(self):
        self.script.run("stop", self.name)


class Node(Process):
    def __init__(self, script, described, mcs):
        super().__init__(script, described)
        self.address, self.mcs = described["url"].removeprefix("http://"), mcs
        namespace = described.get("namespace")
        self.inside = ["ip", "netns", "exec", namespace] if namespace else []
        self.argv = Path(f"/proc/{described['pid']}/cmdline").read_bytes().split(b"\0")[:-1]
        self.child = None

    def start(self, **environment):
        """With an environment, starts the program as the script does: the script itself must not have that."""
        if not environment:
            super().start()
            return
        variables = [f"{name}={value}" for name, value in environment.items()]
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen([*self.inside, "env", *variables, *self.argv], stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log, start_new_session=True,
                                          cwd=self.pid_files[0].parent.parent)
        self.pid_files[0].write_text(f"{self.child.pid}\n")

    def is_ready(self):
        return is_ready(self.address)

    def wait_until_ready(self):
        wait_until(self.is_ready, f"{self.name} is ready")


class Member(Process):
    """A PostgreSQL with its Patroni."""

    def __init__(self, script, described):
        super().__init__(script, described)
        self.rest, self.url = described["rest"], described["superuser_url"]

    def get(self, path):
        """Returns Patroni's document if it responds with 200."""
        try:
            with urllib.request.urlopen(self.rest + path, timeout=3) as response:
                return json.load(response)
        except (OSError, ValueError):
            return None

    def is_primary(self):
        return self.is_alive() and self.get("/primary") is not None

    def query(self, statement):
        """Returns the result as text; `None` if the server does not respond."""
        return psql(self.url, statement)


class Patroni:
    """The members. Patroni promotes by itself; the suite only waits for that."""

    # For faults in which an operator must act: Patroni does not let a stale standby be promoted.
    volumes, is_manual = {}, False

    def __init__(self, script, members, patronictl):
        self.script, self.members, self.patronictl = script, members, patronictl

    def primary(self, but=None):
        return next((member for member in self.members if member is not but and member.is_primary()), None)

    def standbys(self):
        primary = self.primary()
        return [member for member in self.members if member is not primary]

    def fail_over(self, old):
        """Waits until another member is the primary."""
        wait_until(lambda: self.primary(but=old), f"{old.name} is replaced", FAILOVER_SECONDS)

    def fence(self, old):
        """Patroni has done that."""

    def switch_over(self):
        old = self.primary()
        done = subprocess.run([*self.patronictl, "switchover", "--leader", old.name, "--force"], check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode or "Successfully" not in done.stdout:
            raise Stuck(f"switchover: {done.stdout} {done.stderr}")
        self.fail_over(old)

    def rejoin(self):
        if down := [member.name for member in self.members if len(member.pids()) < len(member.pid_files)]:
            self.script.run("start", *down)

    def is_replicated(self):
        """Returns true if Patroni has all members in the quorum, and PostgreSQL has too."""
        primary = self.primary()
        seen = primary and primary.get("/cluster")
        states = sorted((member["role"], member["state"]) for member in seen["members"]) if seen else []
        count = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'quorum'"
        return (states == [("leader", "running"), *[("quorum_standby", "streaming")] * (len(self.members) - 1)]
                and primary.query(count) == str(len(self.members) - 1))

    def wait_until_replicated(self):
        wait_until(self.is_replicated, "all standbys are in the quorum", FAILOVER_SECONDS)

    def stop(self):
        """The script removes everything."""


class Network:
    """The partitions of the script `namespaces`."""

    def __init__(self, script):
        self.script = script

    def cut(self, sender, receiver):
        self.script.run("partition", "--from", sender, "--to", receiver, "--one-way")

    def cut_both(self, one, other):
        self.script.run("partition", "--from", one, "--to", other)

    def heal(self):
        self.script.run("heal")

    def remove(self):
        """The script removes everything."""


def start_patroni(arguments, directory):
    """Returns a running cluster. `Cluster.stop` removes it."""
    directory.chmod(0o755)
    script = Script("namespaces" if arguments.namespaces else "local", directory / "cluster")
    if not Path(script.command[0]).exists():
        raise Stuck(f"{script.command[0]} is missing")
    # On loopback the nodes would need different ports, and all have the same options.
    chromium = ["--chromium", f"0.0.0.0:{MCS_PORT}"] if arguments.namespaces else []
    try:
        described = json.loads(script.run("start", "--server", arguments.server.resolve(), "--ports", arguments.port,
                                          "--", *UNLIMITED, *chromium))
    except BaseException:
        script.run("remove")
        raise
    nodes = [Node(script, node, f"{node['address']}:{MCS_PORT}" if chromium else None) for node in described["nodes"]]
    members = [Member(script, member) for member in described["postgres"]]
    return Cluster(directory, nodes, postgres=Patroni(script, members, described["patronictl"]),
                   network=Network(script) if arguments.namespaces else None, origin=described["origin"],
                   on_stop=[lambda: script.run("remove")])


def read_pid(file):
    try:
        return int(file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def is_running(pid):
    """Returns true unless the process has ended, whether or not it was waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
