"""The nodes that clients may use, as a load balancer would offer them."""

import asyncio
import time

from http1 import FAILURES, Connection, NotSent

# After a failure a node is chosen only if all others have failed too.
AVOIDED_SECONDS = 3.0
# Longest wait for the response to a health check.
CHECK_PATIENCE = 1.0


class Nodes:
    """Addresses (HOST:PORT), all alike."""

    def __init__(self, addresses, random, prefers_first=False):
        self.addresses, self.random, self.prefers_first = list(addresses), random, prefers_first
        self.failed, self.unready, self.checks = {}, set(), []

    def choose(self, last=None):
        """Returns a node: any but `last` if there is another one that works."""
        now = time.monotonic()
        good = [node for node in self.addresses if self.failed.get(node, 0) < now and node not in self.unready]
        if self.prefers_first and self.addresses[0] in good:
            return self.addresses[0]
        others = [node for node in good if node != last]
        return self.random.choice(others or good or self.addresses)

    def fail(self, node):
        self.failed[node] = time.monotonic() + AVOIDED_SECONDS

    async def start_checks(self, interval):
        """Checks the health of each node now, and at an interval in seconds from now on."""
        await asyncio.gather(*(self.check(node) for node in self.addresses))
        self.checks = [asyncio.create_task(self.keep_checking(node, interval)) for node in self.addresses]

    async def keep_checking(self, node, interval):
        while True:
            await asyncio.sleep(interval)
            await self.check(node)

    async def check(self, node):
        if await is_healthy(node):
            self.unready.discard(node)
        else:
            self.unready.add(node)


async def is_healthy(node):
    """Returns true if a node is ready and does not drain."""
    try:
        async with asyncio.timeout(CHECK_PATIENCE):
            connection = await Connection.open(node, CHECK_PATIENCE)
            try:
                return (await connection.request("GET", "/health")).status == 200
            finally:
                connection.close()
    except (NotSent, *FAILURES):
        return False
