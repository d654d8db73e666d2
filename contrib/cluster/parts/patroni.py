"""The configuration of etcd and Patroni."""

import json
import shutil
from pathlib import Path

from .layout import Member

#: The file for real machines.
COMMON = Path(__file__).resolve().parents[1] / "patroni.yml"
#: Name of the cluster in etcd and in Patroni.
SCOPE = "webpush"
#: Database and user of the service.
DATABASE = "webpush"

#: Sizes for three servers on one machine; everything else is in contrib/cluster/patroni.yml.
PARAMETERS = {
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "wal_keep_size": "256MB",
    "max_slot_wal_keep_size": "4GB",
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


def write_configuration(member: Member, etcds: list[Member], directory: Path, programs: Path, subnet: str) -> None:
    """Writes the configuration directory of a member: the common file, and one with what differs. JSON is YAML."""
    settings = {
        "name": member.name,
        "restapi": {"listen": member.host("rest"), "connect_address": member.host("rest")},
        "etcd3": {"hosts": [etcd.host("client") for etcd in etcds]},
        "bootstrap": {"dcs": {"postgresql": {"parameters": PARAMETERS}}},
        "postgresql": {
            "listen": member.host("postgres"),
            "connect_address": member.host("postgres"),
            "data_dir": str(directory / member.name / "data"),
            "bin_dir": str(programs),
            "pgpass": str(directory / member.name / "pgpass"),
            "parameters": {"unix_socket_directories": ""},
            # For trials only: anyone who reaches the address is let in.
            "pg_hba": [f"host all all {subnet} trust", f"host replication replicator {subnet} trust"],
        },
        "watchdog": {"mode": "off"},
    }
    configuration = configuration_directory(member, directory)
    configuration.mkdir(exist_ok=True)
    shutil.copyfile(COMMON, configuration / "1-common.yml")
    (configuration / "2-member.yml").write_text(json.dumps(settings, indent=2))


def configuration_directory(member: Member, directory: Path) -> Path:
    return directory / "patroni" / member.name
