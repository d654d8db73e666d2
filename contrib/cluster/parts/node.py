"""Command lines of the nodes, and the configuration of the balancer in front of them."""

import resource
from pathlib import Path

from .layout import Member
from .patroni import DATABASE


def store_url(databases: list[Member], user: str = DATABASE, database: str = DATABASE) -> str:
    """Returns the URL of whichever server is the primary."""
    hosts = ",".join(member.host("postgres") for member in databases)
    return f"postgres://{user}@{hosts}/{database}"


def command(program: str, member: Member, origin: str, store: str, directory: Path, options: list[str]) -> list[str]:
    arguments = {
        "host": member.address,
        "port": str(member.ports["http"]),
        "origin": origin,
        "store": store,
        "store-secret-file": str(directory / "cluster-secret"),
        "data-dir": str(directory / member.name),
        "admin": member.host("admin"),
    }
    if member.namespace:
        # Other machines reach these addresses, over a network that is only for the cluster.
        options = ["--plaintext", "--admin-token-file", str(directory / "admin-tokens"), *options]
    return [program, "serve", *(part for name, value in arguments.items() for part in (f"--{name}", value)), *options]


def balancer_configuration(member: Member, nodes: list[Member]) -> str:
    """Returns a file for HAProxy that passes bytes on, so that HTTP/2 server push works."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A client takes two descriptors.
    connections = max(min(20_000, limit // 2 - 100), 100)
    checked = "\n".join(f"    server {node.name} {node.host('http')} check" for node in nodes)
    unchecked = "\n".join(f"    server {node.name}-unready {node.host('http')} backup" for node in nodes)
    return f"""global
    maxconn {connections}

defaults
    mode tcp
    timeout connect 2s
    timeout check 2s
    timeout client 15m
    timeout server 15m
    retries 3
    option redispatch 1

frontend push
    bind {member.host('http')}
    default_backend nodes

backend nodes
    balance leastconn
    # 503 while the node drains, or cannot write to its store.
    option httpchk GET /health
    default-server inter 1s fall 2 rise 1
{checked}
    # While no node is ready, senders get 503 with Retry-After from one that runs, instead of a closed connection.
    option allbackups
{unchecked}
"""
