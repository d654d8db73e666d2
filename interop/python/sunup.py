"""An agent that behaves like Sunup, a UnifiedPush distributor on Android: it sends before it reads, and no code in `ack`.

When it gets another uaid than it had it registers everything anew, with the channels and keys that it has.
"""

import uuid

from autopush import Agent, App, holds_back, scenario
from lib import Wrong, expect, finish


def sunup():
    # OkHttp offers compression and must work without it.
    return Agent(compression="deflate")


async def registered(count=1):
    agent, apps = sunup(), [App() for _ in range(count)]
    await agent.greet()
    for app in apps:
        await agent.register(app)
    return agent, *apps


@scenario
async def queued():
    """requests sent before the first read get responses in order"""
    agent, app = sunup(), App()
    await agent.connect()
    await agent.hello()
    await agent.say()
    await agent.say("register", channelID=app.channel, key=app.sender_key)
    await agent.ping_frame()
    await agent.take_uaid()
    expect(await agent.hear(), {}, "answer to {}")
    await agent.hear_status("register")
    await agent.close()


@scenario
async def live():
    """two apps register, each gets its message, and nothing comes again after a reconnect"""
    agent, one, other = await registered(2)
    expect(await one.push("for the one"), 201, "status")
    await agent.acknowledge(await agent.arrives(one, "for the one"))
    expect(await other.push("for the other"), 201, "status")
    await agent.acknowledge(await agent.arrives(other, "for the other"))
    await agent.ping_frame()
    await agent.close()
    if not await agent.greet():
        raise Wrong("another uaid after the reconnect")
    await agent.nothing_more()
    await agent.close()


@scenario
async def again():
    """a channel that is registered again with its key has the same push URL"""
    agent, app = await registered()
    endpoint = app.endpoint
    await agent.register(app)
    expect(app.endpoint, endpoint, "push URL")
    await agent.close()


@scenario
async def forgotten():
    """with a uaid that is not known it gets a new one, registers its channels with it, and gets messages"""
    agent, *apps = await registered(3)
    endpoints = [app.endpoint for app in apps]
    await agent.close()
    agent.uaid = uuid.uuid4().hex
    if await agent.greet():
        raise Wrong("the made-up uaid is known")
    for app, before in zip(apps, endpoints):
        await agent.register(app)
        if app.endpoint == before:
            raise Wrong("two agents have the same push URL")
    for number, app in enumerate(apps):
        expect(await app.push(f"to app {number}"), 201, "status")
        await agent.acknowledge(await agent.arrives(app, f"to app {number}"))
    await agent.close()


@scenario
async def urgency():
    """with a floor of urgency the less urgent wait"""
    agent, app = await registered()
    await holds_back(agent, app)
    await agent.close()


finish()
