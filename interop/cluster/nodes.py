"""The nodes that clients may use, as a load balancer with health checks would offer them."""

import time

# After a failure a node is chosen only if all others have failed too.
AVOIDED_SECONDS = 3.0


class Nodes:
    """Addresses (HOST:PORT), all alike."""

    def __init__(self, addresses, random, prefers_first=False):
        self.addresses, self.random, self.prefers_first = list(addresses), random, prefers_first
        self.failed = {}

    def choose(self, last=None):
        """Returns a node: any but `last` if there is another one that works."""
        now = time.monotonic()
        good = [node for node in self.addresses if self.failed.get(node, 0) < now]
        if self.prefers_first and self.addresses[0] in good:
            return self.addresses[0]
        others = [node for node in good if node != last]
        return self.random.choice(others or good or self.addresses)

    def fail(self, node):
        self.failed[node] = time.monotonic() + AVOIDED_SECONDS
