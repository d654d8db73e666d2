"""A subject of `webpush-server conform agent`: agents on the packages `websockets` and `h2`."""

import asyncio
import os
import sys
import uuid

# The addresses, as the modules of other scripts expect them.
os.environ["WEBPUSH_ORIGIN"] = os.environ["WEBPUSH_CONFORM_URL"].rstrip("/")
WEBSOCKET = os.environ["WEBPUSH_CONFORM_WS"]

from h2.exceptions import ProtocolError  # noqa: E402
from websockets.exceptions import ConnectionClosed  # noqa: E402

import autopush  # noqa: E402
import lib  # noqa: E402

# Messages for each new subscription.
MESSAGES = 3


async def acknowledge_all(agent):
    for _ in range(MESSAGES):
        message = await agent.hear()
        lib.expect(message.get("messageType"), "notification", f"type of {message}")
        await agent.acknowledge(message)


async def websocket():
    """As KUnifiedPush, whose hello has one member."""
    agent = autopush.Agent()
    autopush.ORIGIN = "http" + WEBSOCKET.removeprefix("ws").rstrip("/")
    await agent.greet()
    channel = str(uuid.uuid4())
    await agent.say("register", channelID=channel)
    await agent.hear_status("register")
    await acknowledge_all(agent)
    try:
        await agent.hear()
        sys.exit("the service has not closed the connection")
    except ConnectionClosed:
        pass
    if not await agent.greet():
        sys.exit("another uaid after the reconnect")
    await agent.say("unregister", channelID=channel)
    await agent.hear_status("unregister")
    await agent.close()


def monitor(agent, resource):
    agent.start("GET", resource, {"urgency": "very-low"})
    agent.next_push(MESSAGES - 1)


def http2():
    """Receives by server push."""
    agent = lib.Agent()
    first = agent.request("POST", f"{lib.ORIGIN}/subscribe")
    lib.expect(first.status, 307, "status of the first subscribe")
    answer = agent.request("POST", lib.ORIGIN + first.headers["location"])
    lib.expect(answer.status, 201, "status of a subscribe")
    subscriptions = lib.link(answer.headers, lib.SET)
    monitor(agent, subscriptions)
    *pushes, last = agent.pushes
    for push in pushes:
        agent.acknowledge(push.url)
    # The service closes the connection while it responds to the last one.
    agent.start("DELETE", last.url)
    agent = wait_for_close(agent)
    agent.start("GET", subscriptions)
    again = agent.request("POST", f"{lib.ORIGIN}/subscribe", {"link": f'<{subscriptions}>; rel="{lib.SET}"'})
    lib.expect(again.status, 201, "status of a second subscribe")
    agent.next_push(MESSAGES - 1)
    for push in list(agent.pushes):
        agent.acknowledge(push.url)


def wait_for_close(agent):
    """Returns an agent that has connected again."""
    try:
        agent.wait(lambda: False, "the end of the connection")
    except ProtocolError:
        # h2 accepts no frame after GOAWAY, not even the PING of a graceful shutdown (RFC 9113 §6.8).
        pass
    except lib.Wrong as closed:
        if "not within" in str(closed):
            raise
    return lib.Agent()


{"websocket": lambda: asyncio.run(websocket()), "http2": http2}[sys.argv[1]]()
