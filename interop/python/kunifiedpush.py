"""An agent that behaves like KDE's KUnifiedPush: a hello of one member, no subprotocol, acknowledgements without code.

It registers one app at a time, and keeps the connection open with WebSocket pings.
"""

from autopush import Agent, App, holds_back, scenario
from lib import Wrong, expect, finish


def kunifiedpush():
    # Qt's WebSocket offers no compression.
    return Agent(compression=None)


async def registered():
    agent, app = kunifiedpush(), App()
    await agent.greet()
    await agent.register(app)
    return agent, app


@scenario
async def live():
    """an app registers, a message arrives, is acknowledged without code and does not come again"""
    agent, app = await registered()
    expect(await app.push("grüß Gott"), 201, "status")
    await agent.acknowledge(await agent.arrives(app, "grüß Gott"))
    await agent.close()
    if not await agent.greet():
        raise Wrong("another uaid after the reconnect")
    await agent.nothing_more()
    expect(await app.push("live again"), 201, "status")
    await agent.acknowledge(await agent.arrives(app, "live again"))
    await agent.close()


@scenario
async def stored():
    """what is pushed while it is away waits, and comes until it is acknowledged"""
    agent, app = await registered()
    await agent.close()
    for text in ["one", "two"]:
        expect(await app.push(text), 201, "status")
    await agent.greet()
    await agent.acknowledge(await agent.arrives(app, "one"))
    unacknowledged = await agent.arrives(app, "two")
    await agent.close()
    await agent.greet()
    again = await agent.arrives(app, "two")
    expect(again["version"], unacknowledged["version"], "version")
    await agent.acknowledge(again)
    await agent.nothing_more()
    await agent.close()


@scenario
async def pings():
    """every WebSocket ping gets a pong"""
    agent, _ = await registered()
    for _ in range(3):
        await agent.ping_frame()
    await agent.close()


@scenario
async def unregister():
    """after unregister its push URL is gone, that of another app is not"""
    agent, app = await registered()
    other = App()
    await agent.register(other)
    await agent.say("unregister", channelID=app.channel)
    await agent.hear_status("unregister")
    expect(await app.push("to nobody"), 404, "status")
    expect(await other.push("still here"), 201, "status")
    await agent.acknowledge(await agent.arrives(other, "still here"))
    await agent.close()


@scenario
async def urgency():
    """with a floor of urgency the less urgent wait"""
    agent, app = await registered()
    await holds_back(agent, app)
    await agent.close()


finish()
