"""The nodes that clients may use, as a load balancer with health checks would offer them."""

import time

# After a failure a node is chosen only if all others have failed too.
AVOIDED_SECONDS = 3.0


class Nodes:
    """Addresses (HOST:PORT), all alike."""

    def __init__(self, addresses, random):
        self.addresses, self.random = list(addresses), random
        self.failed = {}

    def choose(self, last=None):
        """Returns a node: any but `last` if there is another one that works."""
        now = time.monotonic()
        good = [node for node in self.addresses if self.failed.get(node, 0) < now]
        others = [node for node in good if node != last]
        return self.random.choice(others or good or self.addresses)

    def fail(self, node):
        self.failed[node] = time.monotonic() + AVOIDED_SECONDS
