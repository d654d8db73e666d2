"""Names, addresses and ports of the members of a cluster."""

import dataclasses
from pathlib import Path

from . import network


@dataclasses.dataclass(frozen=True)
class Member:
    """One process of the cluster, with Patroni and its PostgreSQL counted as one."""

    name: str
    kind: str
    address: str
    #: Ports by purpose.
    ports: dict[str, int]
    #: Network namespace, or None for the one of the machine.
    namespace: str | None = None

    def host(self, purpose: str) -> str:
        return f"{self.address}:{self.ports[purpose]}"

    def url(self, purpose: str) -> str:
        return f"http://{self.host(purpose)}"


class Loopback:
    """Everything on 127.0.0.1; the port says what it is."""

    name = "local"
    #: Networks that PostgreSQL accepts without a password.
    subnet = "127.0.0.1/32"
    default_directory = "webpush-cluster"
    #: Programs with their Debian packages.
    programs = {"etcd": "etcd-server"}

    def __init__(self, base_port: int):
        self.base_port = base_port

    def members(self) -> list[Member]:
        address = "127.0.0.1"
        base = self.base_port

        def member(kind: str, number: int, **offsets: int) -> Member:
            ports = {purpose: base + offset + number for purpose, offset in offsets.items()}
            return Member(f"{kind}{number}", kind, address, ports)

        numbers = (1, 2, 3)
        return [
            *(member("etcd", number, client=10, peer=20) for number in numbers),
            *(member("db", number, rest=30, postgres=40) for number in numbers),
            *(member("node", number, http=50, admin=60) for number in numbers),
            Member("balancer", "balancer", address, {"http": base}),
        ]

    def create(self, directory: Path) -> None:
        """There is nothing to create."""

    def remove(self, directory: Path) -> None:
        """There is nothing to remove."""


class Namespaces:
    """Databases and nodes each on a machine of their own: a network namespace with the standard ports.

    An etcd shares the machine of a database. The balancer is outside, where a test is too.
    """

    name = "namespaces"
    subnet = network.SUBNET
    default_directory = "webpush-cluster-namespaces"
    programs = {"etcd": "etcd-server", "ip": "iproute2", "nft": "nftables"}

    def __init__(self, base_port: int):
        self.base_port = base_port

    def members(self) -> list[Member]:
        numbers = (1, 2, 3)
        places = {name: (network.namespace(name), network.address(name)) for name in network.MACHINES}

        def member(kind: str, machine: str, number: int, **ports: int) -> Member:
            namespace, address = places[f"{machine}{number}"]
            return Member(f"{kind}{number}", kind, address, ports, namespace)

        return [
            *(member("etcd", "db", number, client=2379, peer=2380) for number in numbers),
            *(member("db", "db", number, rest=8008, postgres=5432) for number in numbers),
            *(member("node", "node", number, http=8080, admin=8079) for number in numbers),
            Member("balancer", "balancer", network.OUTSIDE, {"http": self.base_port}),
        ]

    def create(self, directory: Path) -> None:
        network.create(directory)

    def remove(self, directory: Path) -> None:
        network.remove(directory)
