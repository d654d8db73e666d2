"""The configuration of etcd and Patroni. contrib/cluster/systemd has the same for real machines."""

import json
from pathlib import Path

from .layout import Member

SCOPE = "webpush"
#: Database and user of the service.
DATABASE = "webpush"

#: Seconds. A primary that dies is replaced after `ttl` at the latest; `ttl` must be at least `loop_wait` + 2 × `retry_timeout`.
TIMES = {"ttl": 20, "loop_wait": 5, "retry_timeout": 5}

#: Sizes are for three servers on one machine; docs/cluster.md explains the rest.
PARAMETERS = {
    "max_connections": 200,
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "wal_level": "replica",
    "wal_log_hints": "on",
    "wal_keep_size": "256MB",
    "max_slot_wal_keep_size": "4GB",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum_naptime": "10s",
    "wal_sender_timeout": "10s",
    "wal_receiver_timeout": "10s",
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 2,
    "tcp_user_timeout": "20s",
    "idle_in_transaction_session_timeout": "15s",
}


def etcd_command(program: str, member: Member, members: list[Member], data: Path) -> list[str]:
    peers = ",".join(f"{other.name}={other.url('peer')}" for other in members)
    options = {
        "name": member.name,
        "data-dir": str(data),
        "listen-client-urls": member.url("client"),
        "advertise-client-urls": member.url("client"),
        "listen-peer-urls": member.url("peer"),
        "initial-advertise-peer-urls": member.url("peer"),
        "initial-cluster": peers,
        "initial-cluster-token": SCOPE,
        # Three on one disk: an election for every slow write would be worse than a later one.
        "heartbeat-interval": "300",
        "election-timeout": "3000",
        "auto-compaction-retention": "1",
    }
    return [program, *(f"--{name}={value}" for name, value in options.items())]


def configuration(member: Member, etcds: list[Member], directory: Path, programs: Path, subnet: str) -> str:
    """Returns a configuration file; JSON is YAML."""
    dcs = {
        **TIMES,
        # 201 means on two disks: commits wait for one of the standbys, and for none forever rather than not at all.
        "synchronous_mode": "quorum",
        "synchronous_mode_strict": True,
        "synchronous_node_count": 1,
        # A primary whose PostgreSQL was killed is replaced at once, not restarted.
        "primary_start_timeout": 0,
        # Without etcd, the primary goes on for as long as it reaches all standbys.
        "failsafe_mode": True,
        "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": PARAMETERS},
    }
    settings = {
        "scope": SCOPE,
        "name": member.name,
        "restapi": {"listen": member.host("rest"), "connect_address": member.host("rest")},
        "etcd3": {"hosts": [etcd.host("client") for etcd in etcds]},
        "bootstrap": {
            "dcs": dcs,
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
        },
        "postgresql": {
            "listen": member.host("postgres"),
            "connect_address": member.host("postgres"),
            "data_dir": str(directory / member.name / "data"),
            "bin_dir": str(programs),
            "pgpass": str(directory / member.name / "pgpass"),
            "authentication": {
                "superuser": {"username": "postgres"},
                "replication": {"username": "replicator"},
                "rewind": {"username": "rewinder"},
            },
            "parameters": {"unix_socket_directories": ""},
            # For trials only: anyone who reaches the address is let in.
            "pg_hba": [f"host all all {subnet} trust", f"host replication replicator {subnet} trust"],
        },
        "watchdog": {"mode": "off"},
    }
    return json.dumps(settings, indent=2)
