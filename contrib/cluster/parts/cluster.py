"""Starts, stops and describes a cluster."""

import base64
import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from . import node, patroni, process, software
from .failure import Failure
from .layout import Member
from .process import Process

#: Kinds of members in the order of their start.
KINDS = ["etcd", "db", "node", "balancer"]


class Cluster:
    """A cluster in a directory, with or without running processes."""

    def __init__(self, directory: Path, network, state: dict):
        self.directory = directory
        self.network = network
        self.state = state
        self.members = network.members()
        self.user = software.User()

    def of_kind(self, kind: str) -> list[Member]:
        return [member for member in self.members if member.kind == kind]

    def create(self) -> None:
        """Creates network, directories and configuration files, those that are missing."""
        programs = software.postgres_programs()
        self.network.create(self.directory)
        self.user.check_access(self.directory)
        software.install_patroni(self.directory, self.user)
        (self.directory / "patroni").mkdir(exist_ok=True)
        for member in self.of_kind("etcd") + self.of_kind("db"):
            self.user.create_directory(self.directory / member.name)
        for member in self.of_kind("db"):
            patroni.write_configuration(member, self.of_kind("etcd"), self.directory, programs, self.network.subnet)
        for name, length in {"cluster-secret": 32, "admin-tokens": 24}.items():
            if not (self.directory / name).exists():
                text = base64.urlsafe_b64encode(secrets.token_bytes(length)).rstrip(b"=")
                (self.directory / name).touch(mode=0o600)
                (self.directory / name).write_bytes(text + b"\n")
        if self.has_balancer():
            text = node.balancer_configuration(self.of_kind("balancer")[0], self.of_kind("node"))
            (self.directory / "haproxy.cfg").write_text(text)

    def has_balancer(self) -> bool:
        return self.state["balancer"]

    def origin(self) -> str:
        member = self.of_kind("balancer")[0] if self.has_balancer() else self.of_kind("node")[0]
        return member.url("http")

    def store_url(self) -> str:
        # The network, if it is not that of one machine, is only for the cluster.
        return node.store_url(self.of_kind("db")) + "?sslmode=disable"

    def process(self, member: Member) -> Process:
        own = self.directory / member.name
        match member.kind:
            case "etcd":
                etcd = software.find("etcd") or "etcd"
                command = self.user.command(*patroni.etcd_command(etcd, member, self.of_kind("etcd"), own / "data"))
            case "db":
                program = str(self.directory / "venv" / "bin" / "patroni")
                command = self.user.command(program, str(patroni.configuration_directory(member, self.directory)))
            case "node":
                options = self.state["options"]
                command = node.command(
                    self.state["server"], member, self.origin(), self.store_url(), self.directory, options
                )
            case _:
                command = [software.find("haproxy") or "haproxy", "-db", "-f", str(self.directory / "haproxy.cfg")]
        if member.namespace:
            command = ["ip", "netns", "exec", member.namespace, *command]
        return Process(self.directory, member.name, command)

    def start(self, names: list[str]) -> None:
        """Starts members that do not run, and waits until they are ready."""
        for kind in KINDS:
            chosen = [member for member in self.of_kind(kind) if member.name in names]
            started = []
            for member in chosen:
                running = self.process(member)
                if not running.pid():
                    check_ports(member)
                if running.start():
                    print(f"starting {member.name}", file=sys.stderr, flush=True)
                started.append(running)
            self.wait(kind, chosen, started)

    def wait(self, kind: str, chosen: list[Member], started: list[Process]) -> None:
        if not chosen:
            return
        match kind:
            case "etcd":
                # One of three alone is not healthy: only a start of all can be waited for.
                ready = lambda: len(chosen) == 1 or all(responds(member.url("client") + "/health") for member in chosen)
                process.wait_until("etcd is healthy", 60, ready, started)
            case "db":
                process.wait_until("PostgreSQL has a primary and two standbys", 180, self.is_replicated, started)
                self.create_database()
            case "node":
                ready = lambda: all(responds(member.url("http") + "/health") for member in chosen)
                process.wait_until("the nodes are ready", 60, ready, started)
            case _:
                ready = lambda: responds(self.origin() + "/health")
                process.wait_until("the balancer has a ready node", 30, ready, started)

    def roles(self) -> dict[str, str]:
        """Returns the role of each database as Patroni has it: leader, quorum_standby, replica."""
        for member in self.of_kind("db"):
            found = get(member.url("rest") + "/cluster")
            if found:
                return {
                    item["name"]: item["role"] for item in found["members"] if item["state"] in ("running", "streaming")
                }
        return {}

    def is_replicated(self) -> bool:
        """Returns true if every database that runs has its role in the quorum."""
        running = [member for member in self.of_kind("db") if self.process(member).pid()]
        roles = self.roles()
        is_member = lambda member: roles.get(member.name) in ("leader", "quorum_standby")
        return "leader" in roles.values() and all(is_member(member) for member in running)

    def create_database(self) -> None:
        """Creates user and database of the service, if they are missing."""
        for kind, name, statement in (
            ("pg_roles WHERE rolname", patroni.DATABASE, f"CREATE ROLE {patroni.DATABASE} LOGIN"),
            (
                "pg_database WHERE datname",
                patroni.DATABASE,
                f"CREATE DATABASE {patroni.DATABASE} OWNER {patroni.DATABASE}",
            ),
        ):
            if self.query(f"SELECT 1 FROM {kind} = '{name}'") != "1":
                self.query(statement)

    def query(self, statement: str) -> str:
        """Runs a statement at the primary."""
        url = node.store_url(self.of_kind("db"), "postgres", "postgres") + "?target_session_attrs=read-write"
        psql = [str(software.postgres_programs() / "psql"), "-X", "-q", "-A", "-t", "-d", url, "-c", statement]
        done = subprocess.run(psql, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"{statement}: {done.stderr.strip()}")
        return done.stdout.strip()

    def stop(self, names: list[str]) -> None:
        """Stops members in the opposite order of their start."""
        for kind in reversed(KINDS):
            chosen = [member for member in self.of_kind(kind) if member.name in names]
            process.stop([self.process(member).pid_file for member in chosen], self.directory)
            if kind == "db":
                # Those that a killed Patroni has left behind. SIGINT: without waiting for clients.
                process.stop([self.postmaster(member) for member in chosen], self.directory, signal.SIGINT)

    def postmaster(self, member: Member) -> Path:
        """Returns PostgreSQL's own PID file."""
        return self.directory / member.name / "data" / "postmaster.pid"

    def remove(self) -> None:
        self.stop([member.name for member in self.members])
        self.network.remove(self.directory)
        shutil.rmtree(self.directory)

    def describe(self) -> dict:
        """Returns everything that a test or a person needs to use the cluster."""
        roles = self.roles()

        def about(member: Member) -> dict:
            found = self.process(member)
            description = {"name": member.name, "address": member.address, "pid": found.pid()}
            if member.namespace:
                description["namespace"] = member.namespace
            description |= {"pid_file": str(found.pid_file), "log": str(found.log)}
            match member.kind:
                case "etcd":
                    description["url"] = member.url("client")
                case "db":
                    description |= {
                        "role": roles.get(member.name),
                        "rest": member.url("rest"),
                        "port": member.ports["postgres"],
                        "superuser_url": node.store_url([member], "postgres", "postgres"),
                        "data": str(self.directory / member.name / "data"),
                        "postgres_pid": process.running(self.postmaster(member), self.directory),
                        "postgres_pid_file": str(self.postmaster(member)),
                    }
                case "node":
                    tokens = self.directory / ("admin-tokens" if member.namespace else f"{member.name}/admin-token")
                    description |= {"url": member.url("http"), "admin": member.url("admin")}
                    description |= {"admin_token_file": str(tokens), "data": str(self.directory / member.name)}
                case _:
                    description["url"] = member.url("http")
            return description

        configuration = patroni.configuration_directory(self.of_kind("db")[0], self.directory)
        patronictl = [str(self.directory / "venv" / "bin" / "patronictl"), "-c", str(configuration)]
        return {
            "network": self.network.name,
            "directory": str(self.directory),
            "origin": self.origin(),
            "store": self.store_url(),
            "secret_file": str(self.directory / "cluster-secret"),
            "server": self.state["server"],
            "patronictl": patronictl,
            "etcd": [about(member) for member in self.of_kind("etcd")],
            "postgres": [about(member) for member in self.of_kind("db")],
            "nodes": [about(member) for member in self.of_kind("node")],
            "balancer": about(self.of_kind("balancer")[0]) if self.has_balancer() else None,
        }


def check_ports(member: Member) -> None:
    """Fails if another program has a port; those in a namespace cannot be taken."""
    if member.namespace:
        return
    for port in member.ports.values():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((member.address, port))
            except OSError as error:
                raise Failure(f"{member.name} needs {member.address}:{port}: {error.strerror}; see --ports") from None


def get(url: str) -> dict | None:
    """Returns the JSON document of a URL, or None without one."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return json.load(response)
    except (OSError, ValueError):
        return None


def responds(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False
