"""A user agent that resets promised streams: that is not a delivery, and no reason to retry immediately."""

from lib import Agent, ErrorCodes, SettingCodes, check, expect, finish

# So small that a whole body cannot have arrived before the reset is sent: a stream that has ended cannot be reset.
NARROW = {SettingCodes.INITIAL_WINDOW_SIZE: 100}


def refuse(code):
    agent, sender = Agent(NARROW), Agent()
    subscription, push = agent.subscribe()
    unwanted = sender.send(push, b"x" * 4096)
    agent.on_push = lambda pushed: agent.reset(pushed.number, code) if pushed.url == unwanted else None
    agent.start("GET", subscription)
    agent.wait(lambda: agent.pushes, "the first promise")
    # Many round trips, then a message that must arrive: a loop would have shown itself before.
    agent.round_trips(20)
    marker = sender.send(push, b"marker")
    agent.wait(lambda: any(pushed.url == marker and pushed.done for pushed in agent.pushes), "the next message")
    expect([pushed.url for pushed in agent.pushes], [unwanted, marker], "promises on one monitor")
    agent.acknowledge(marker)
    answer, pushes = Agent().outstanding(subscription)
    expect([(pushed.url, len(pushed.body)) for pushed in pushes], [(unwanted, 4096)], "pushes on the next monitor")
    expect(answer.status, 200, "status of the next monitor")


@check
def cancel():
    """RST_STREAM(CANCEL) on a promise: the message stays and comes with the next monitor"""
    refuse(ErrorCodes.CANCEL)


@check
def refused_stream():
    """RST_STREAM(REFUSED_STREAM) on a promise: the message stays and comes with the next monitor"""
    refuse(ErrorCodes.REFUSED_STREAM)


@check
def wait_zero():
    """a wait=0 monitor ends although every promise was reset, and the messages stay"""
    agent = Agent(NARROW)
    subscription, push = agent.subscribe()
    messages = [agent.send(push, b"x" * 1000) for _ in range(5)]
    agent.on_push = lambda pushed: agent.reset(pushed.number)
    answer = agent.request("GET", subscription, {"prefer": "wait=0"})
    expect(answer.status, 200, "status")
    expect(len(agent.pushes), 5, "promises")
    _, pushes = Agent().outstanding(subscription)
    expect([pushed.url for pushed in pushes], messages, "pushes on the next monitor")


finish()
