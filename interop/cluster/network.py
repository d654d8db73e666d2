"""A network namespace for each program, all on one bridge, so that programs can be cut off from each other."""

import os
import subprocess

# Addresses are PREFIX.1 for the bridge, where the load is, and the next ones in the order of creation.
PREFIX = "10.77.0"
# Nobody has this one, so what is sent to it is lost without a word.
NOWHERE = "02:00:00:00:00:01"


def ip(*arguments, namespace=None):
    inside = ["-n", namespace] if namespace else []
    subprocess.run(["ip", *inside, *arguments], check=True)


class Network:
    """Created and removed by root only."""

    def __init__(self):
        # Names of interfaces have at most 15 characters.
        self.tag = f"wp{os.getpid() % 100000}"
        self.bridge, self.addresses = self.tag, {}
        ip("link", "add", self.bridge, "type", "bridge")
        ip("address", "add", f"{PREFIX}.1/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")

    def namespace(self, name):
        return f"{self.tag}-{name}"

    def add(self, name):
        """Returns the namespace and the address for a program."""
        namespace, number = self.namespace(name), len(self.addresses) + 2
        outside, address = f"{self.tag}-{number}", f"{PREFIX}.{number}"
        self.addresses[name] = address
        ip("netns", "add", namespace)
        ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        ip("link", "set", outside, "master", self.bridge, "up")
        ip("address", "add", f"{address}/24", "dev", "eth0", namespace=namespace)
        ip("link", "set", "eth0", "up", namespace=namespace)
        ip("link", "set", "lo", "up", namespace=namespace)
        return namespace, address

    def cut(self, sender, receiver):
        """Loses everything that `sender` sends to `receiver`; the other direction is left as it is."""
        ip("neigh", "replace", self.addresses[receiver], "lladdr", NOWHERE, "nud", "permanent", "dev", "eth0",
           namespace=self.namespace(sender))

    def cut_both(self, one, other):
        self.cut(one, other)
        self.cut(other, one)

    def heal(self):
        for name in self.addresses:
            ip("neigh", "flush", "dev", "eth0", "nud", "permanent", namespace=self.namespace(name))

    def remove(self):
        for name in self.addresses:
            subprocess.run(["ip", "netns", "delete", self.namespace(name)], check=False)
        subprocess.run(["ip", "link", "delete", self.bridge], check=False)
