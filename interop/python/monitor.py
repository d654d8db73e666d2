"""Normal delivery, and the details of each promise."""

from email.utils import parsedate_to_datetime

from lib import ORIGIN, PUSH, Agent, SettingCodes, Wrong, check, expect, finish, link


@check
def live():
    """a held monitor gets a push, and an acknowledgement ends the message"""
    agent, sender = Agent(), Agent()
    subscription, push = agent.subscribe()
    monitor = agent.start("GET", subscription)
    message = sender.send(push, b"hello")
    pushed = agent.next_push(0)
    expect(pushed.url, message, "promised URL")
    expect(pushed.parent, monitor.number, "stream of the promise")
    expect((pushed.status, pushed.body), (200, b"hello"), "pushed answer")
    expect(monitor.done, False, "end of the held monitor")
    agent.acknowledge(message)
    answer, pushes = sender.outstanding(subscription)
    expect((answer.status, pushes), (204, []), "what is left")


@check
def promise():
    """a promise is a GET with the four pseudo-headers, the server's authority and nothing of the sender's"""
    agent = Agent()
    subscription, push = agent.subscribe()
    body = b"\x00\xff" * 50
    sent = {"urgency": "high", "topic": "t", "content-encoding": "aes128gcm", "content-type": "text/x-test"}
    message = agent.send(push, body, sent)
    _, [pushed] = agent.outstanding(subscription)
    pseudo = {name: value for name, value in pushed.promised if name.startswith(":")}
    wanted = {
        ":method": "GET",
        ":scheme": agent.scheme,
        ":authority": agent.authority,
        ":path": message.removeprefix(ORIGIN),
    }
    expect(pseudo, wanted, "pseudo-headers of the promise")
    for name in ("content-length", "urgency", "topic", "ttl"):
        expect(name in dict(pushed.promised), False, f"{name} in the promise")
    expect(pushed.body, body, "body")
    expect(link(pushed.headers, PUSH), push, "push link")
    for name in ("content-encoding", "content-type"):
        expect(pushed.headers.get(name), sent[name], name)
    expect(pushed.headers.get("content-length"), "100", "content-length")
    expect(pushed.headers.get("cache-control"), "private", "cache-control")
    for name in ("date", "last-modified"):
        if name not in pushed.headers:
            raise Wrong(f"no {name} in the pushed answer")
        parsedate_to_datetime(pushed.headers[name])
    for name in ("urgency", "topic", "ttl"):
        expect(name in pushed.headers, False, f"{name} in the pushed answer")


@check
def no_push():
    """an agent with SETTINGS_ENABLE_PUSH=0 gets 505 and no promise, held or not"""
    agent = Agent({SettingCodes.ENABLE_PUSH: 0})
    subscription, push = agent.subscribe()
    agent.send(push, b"x")
    for headers in ({}, {"prefer": "wait=0"}):
        answer = agent.request("GET", subscription, headers)
        expect(answer.status, 505, "status")
        expect(answer.headers.get("content-type"), "application/problem+json", "content-type")
    expect(agent.pushes, [], "promises")


@check
def dropped():
    """a connection lost in mid-monitor: what was not acknowledged goes out again, what was does not"""
    agent, sender = Agent(), Agent()
    subscription, push = agent.subscribe()
    agent.start("GET", subscription)
    messages = [sender.send(push, b"%d" % i) for i in range(4)]
    for index, message in enumerate(messages):
        expect(agent.next_push(index).url, message, "order of the pushes")
    agent.acknowledge(messages[1])
    agent.drop()
    _, pushes = Agent().outstanding(subscription)
    expect([pushed.url for pushed in pushes], [messages[0], messages[2], messages[3]], "pushes after the loss")


@check
def canceled_monitor():
    """a monitor that is reset leaves the connection usable and the messages where they were"""
    agent, sender = Agent(), Agent()
    subscription, push = agent.subscribe()
    monitor = agent.start("GET", subscription)
    first = sender.send(push, b"first")
    agent.next_push(0)
    agent.reset(monitor.number)
    agent.round_trips()
    second = sender.send(push, b"second")
    agent.round_trips(5)
    expect(len(agent.pushes), 1, "promises after the monitor was reset")
    agent.start("GET", subscription)
    expect(agent.next_push(1).url, first, "first push of the next monitor")
    expect(agent.next_push(2).url, second, "second push of the next monitor")


@check
def many_monitors():
    """two subscriptions monitored on one connection: each promise comes on the stream of its own monitor"""
    agent, sender = Agent(), Agent()
    pairs = [agent.subscribe() for _ in range(2)]
    monitors = [agent.start("GET", subscription) for subscription, _ in pairs]
    agent.round_trips()
    wanted = {}
    for (_, push), monitor in zip(pairs * 3, monitors * 3):
        wanted[sender.send(push, b"x")] = monitor.number
    for index in range(len(wanted)):
        pushed = agent.next_push(index)
        expect(pushed.parent, wanted[pushed.url], "stream of a promise")


finish()
