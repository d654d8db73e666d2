"""A PostgreSQL cluster with quorum commit, whose failovers the suite makes itself, as an operator would."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from processes import PATIENCE, Program, psql, wait_until

SETTINGS = """
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = 100
shared_buffers = 64MB
wal_level = replica
wal_keep_size = 128MB
max_wal_size = 128MB
fsync = on
full_page_writes = on
synchronous_commit = on
synchronous_standby_names = 'ANY 1 ({names})'
wal_receiver_timeout = 5s
wal_sender_timeout = 5s
wal_retrieve_retry_interval = 500ms
log_line_prefix = '%m [%p] %a '
"""
ACCESS = "host all all all trust\nhost replication all all trust\n"


def find_programs():
    """Returns the directory with PostgreSQL's programs, the newest version; `None` if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class Member(Program):
    """A server of the cluster."""

    def __init__(self, programs, name, host, port, data, **options):
        super().__init__(name, [programs / "postgres", "-D", data], data.with_suffix(".log"), **options)
        self.programs, self.host, self.port, self.data = programs, host, port, data

    def run(self, program, *arguments):
        """Runs one of PostgreSQL's programs as its user."""
        done = subprocess.run(self.command([self.programs / program, *arguments]), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE, check=False, cwd="/")
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")

    def query(self, statement):
        """Returns the result as text; `None` if the server does not respond."""
        return psql(f"postgres://postgres@{self.host}:{self.port}/postgres", statement)

    def is_primary(self):
        return self.is_alive() and self.query("SELECT pg_is_in_recovery()") == "f"

    def is_reachable(self):
        return self.is_alive() and self.query("SELECT 1") == "1"

    def configure(self, text):
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(text)

    def stop(self):
        """Disconnects all clients and stops, after the standbys have everything."""
        self.terminate(signal.SIGINT)


class Postgres:
    """The members. One is the primary, except while there is none."""

    # The suite promotes standbys, whatever they have.
    is_manual = True

    def __init__(self, members, volumes=None):
        self.members = members
        # The directory of each member's WAL, if it is a small volume of its own.
        self.volumes = volumes or {}
        # Called with the new primary.
        self.on_promotion = []

    def create(self):
        first, *others = self.members
        self.make_directories(first)
        first.run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--wal-segsize=1",
                  "--no-instructions", "--pgdata", first.data, *self.wal_option(first, "--waldir"))
        (first.data / "pg_hba.conf").write_text(ACCESS)
        self.configure(first)
        first.start()
        wait_until(first.is_reachable, f"{first.name} serves")
        for member in others:
            self.copy(member, first)
        self.wait_until_replicated()

    def make_directories(self, member):
        """PostgreSQL's directories must be empty, and its user's."""
        shutil.rmtree(member.data, ignore_errors=True)
        wal = self.wal(member)
        if wal.exists():
            shutil.rmtree(wal)
        if member.user:
            shutil.chown(member.data.parent, member.user, member.user)
            if member.name in self.volumes:
                shutil.chown(self.volumes[member.name], member.user, member.user)

    def wal(self, member):
        return self.volumes.get(member.name, member.data) / "pg_wal"

    def wal_option(self, member, option):
        return [option, self.wal(member)] if member.name in self.volumes else []

    def configure(self, member):
        names = ", ".join(other.name for other in self.members)
        member.configure(SETTINGS.format(host=member.host, port=member.port, names=names))

    def connection(self, member, primary):
        return (f"host={primary.host} port={primary.port} user=postgres application_name={member.name} "
                "connect_timeout=3")

    def copy(self, member, primary):
        """Makes a member anew as a standby of the primary."""
        member.kill()
        self.make_directories(member)
        member.run("pg_basebackup", "--checkpoint=fast", "--write-recovery-conf", "--pgdata", member.data,
                   "--dbname", self.connection(member, primary), *self.wal_option(member, "--waldir"))
        self.configure(member)
        member.start()

    def primary(self, but=None):
        return next((member for member in self.members if member is not but and member.is_primary()), None)

    def standbys(self):
        primary = self.primary()
        return [member for member in self.members if member is not primary]

    def promote(self, member):
        """Makes a standby the primary; the other standbys that are reachable follow it."""
        member.query("SELECT pg_promote(wait => false)")
        wait_until(member.is_primary, f"{member.name} is the primary", 20)
        # A standby that was cut off from its primary has to be told of the new one.
        for other in self.members:
            if other is not member and other.is_alive() and other.query("SELECT pg_is_in_recovery()") == "t":
                self.follow(other, self.connection(other, member))
        for action in self.on_promotion:
            action(member)

    def follow(self, member, connection):
        member.query(f"ALTER SYSTEM SET primary_conninfo = '{connection}'")
        member.query("SELECT pg_reload_conf()")

    def fail_over(self, old):
        """Promotes the standby that has received most, which has all that was acknowledged."""
        reachable = [member for member in self.members if member is not old and member.is_reachable()]
        received = {member.name: number(member.query("SELECT pg_last_wal_receive_lsn()")) for member in reachable}
        self.promote(max(reachable, key=lambda member: received[member.name]))

    def fence(self, old):
        """Ends a primary that was replaced although it runs."""
        old.kill()

    def switch_over(self):
        """Stops the primary when the standbys have everything, and makes it a standby of the next one."""
        old = self.primary()
        old.stop()
        self.fail_over(old)
        (old.data / "standby.signal").touch()
        if old.user:
            shutil.chown(old.data / "standby.signal", old.user, old.user)
        connection = self.connection(old, self.primary(but=old))
        with open(old.data / "postgresql.auto.conf", "a", encoding="utf-8") as file:
            file.write(f"primary_conninfo = '{connection}'\n")
        old.start()

    def rejoin(self):
        """Makes standbys of all members that are down."""
        primary = wait_until(self.primary, "there is a primary")
        for member in self.members:
            if not member.is_alive():
                self.copy(member, primary)

    def is_replicated(self):
        primary = self.primary()
        count = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        return primary is not None and primary.query(count) == str(len(self.members) - 1)

    def wait_until_replicated(self):
        wait_until(self.is_replicated, "all standbys stream from the primary")

    def stop(self):
        for member in self.members:
            member.kill()


def number(position):
    """Returns a position in the WAL (such as 0/3000060) as a number."""
    high, _, low = (position or "0/0").partition("/")
    return int(high, 16) << 32 | int(low or "0", 16)


def programs_user():
    """PostgreSQL refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None
