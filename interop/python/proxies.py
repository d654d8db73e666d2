"""Through a proxy: every kind of client is served, and counted by its own address. Clients have several, as 127.0.0.0/8 is all
of this machine. The proxy waits 3 s instead of minutes, and the service lets an address register 3 times."""

import asyncio
import contextlib
import http.client
import json
import os
import ssl
from urllib.parse import urlsplit

import lib
from autopush import Agent, App, scenario
from lib import ORIGIN, PATIENCE, PUSH, check, expect, finish, link

# Longer than the proxy waits.
SILENCE = 7.0


class Client:
    """HTTP/1.1 from an address of this machine, over one connection."""

    def __init__(self, address):
        context = ssl.create_default_context(cafile=os.environ["WEBPUSH_CA"])
        port = urlsplit(ORIGIN).port
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=PATIENCE, source_address=(address, 0), context=context
        )

    def ask(self, method, url, headers=None, body=b""):
        self.connection.request(method, urlsplit(url).path, body, headers or {})
        return self.connection.getresponse()

    def status(self, *arguments):
        response = self.ask(*arguments)
        response.read()
        return response.status

    def subscribe(self, headers=None):
        """The URLs of a subscription and of its push resource, which are those of the public origin."""
        response = self.ask("POST", "/subscribe", headers)
        response.read()
        expect(response.status, 201, "status")
        links = {"link": ", ".join(response.headers.get_all("link"))}
        urls = response.headers["location"], link(links, PUSH)
        expect([url.startswith(ORIGIN + "/") for url in urls], [True, True], f"origin of {len(urls)} URLs")
        return urls


def agent_at(address):
    return Agent(local_addr=(address, 0))


@scenario
async def websocket():
    """an agent on a WebSocket registers, gets what is pushed and acknowledges it"""
    agent, app = agent_at("127.0.0.2"), App()
    await agent.greet()
    await agent.register(app)
    expect(app.endpoint.startswith(ORIGIN + "/"), True, "public origin of the push URL")
    expect(await app.push("through a proxy"), 201, "status")
    await agent.acknowledge(await agent.arrives(app, "through a proxy"))
    await agent.close()
    await agent.greet()
    await agent.nothing_more()
    await agent.close()


@scenario
async def idle():
    """a silent WebSocket lives longer than the proxy waits, as the service pings it"""
    agent, app = agent_at("127.0.0.2"), App()
    await agent.greet()
    await agent.register(app)
    with contextlib.suppress(TimeoutError):
        raise lib.Wrong(f"{await asyncio.wait_for(agent.socket.recv(), SILENCE)} came in silence")
    expect(await app.push("after silence"), 201, "status")
    await agent.acknowledge(await agent.arrives(app, "after silence"))
    await agent.close()


@check
def events():
    """events come one by one, each before the next is sent"""
    client, sender = Client("127.0.0.5"), Client("127.0.0.1")
    subscription, push = client.subscribe()
    stream = client.ask("GET", subscription, {"accept": "text/event-stream"})
    expect(stream.status, 200, "status of the stream")
    for text in ["one", "two", "three"]:
        expect(sender.status("POST", push, {"ttl": "60"}, text.encode()), 201, "status")
        while not (line := stream.readline()).startswith(b"data:"):
            expect(line != b"", True, "a stream that goes on")
        expect(bool(json.loads(line.removeprefix(b"data:"))), True, "an event")
    client.connection.close()


@check
def registrations():
    """who registers too often is refused by its own address, whatever it says of itself; others are not"""
    client = Client("127.0.0.3")
    made_up = [
        {"X-Forwarded-For": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.2", "X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": '"192.0.2.3'},
        {"X-Forwarded-For": "192.0.2.4, 127.0.0.1"},
        {"X-Forwarded-For": "192.0.2.5", "X-Real-IP": "192.0.2.5", "Via": "1.1 192.0.2.5"},
        {},
    ]
    statuses = [client.status("POST", "/subscribe", headers) for headers in made_up]
    expect(statuses, [201, 201, 201, 429, 429, 429], "statuses")
    expect(Client("127.0.0.4").status("POST", "/subscribe"), 201, "status for another address")


@scenario
async def registrations_on_a_websocket():
    """an agent on a WebSocket is counted by its own address as well"""
    agent = agent_at("127.0.0.6")
    await agent.greet()
    for _ in range(3):
        await agent.register(App())
    await agent.say("register", channelID=App().channel)
    await agent.hear_status("register", 429)
    await agent.close()
    other = agent_at("127.0.0.7")
    await other.greet()
    await other.register(App())
    await other.close()


if "WEBPUSH_SERVER_PUSH" in os.environ:

    @check
    def server_push():
        """an agent gets messages by server push, and acknowledges them"""
        agent = lib.Agent()
        subscription, push = agent.subscribe()
        message = agent.send(push, b"pushed")
        _, pushes = agent.outstanding(subscription)
        expect([pushed.url for pushed in pushes], [message], "pushes")
        agent.acknowledge(message)


finish()
