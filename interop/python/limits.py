"""User agents with narrow limits: few streams, small windows, frames of the minimum size."""

from lib import Agent, SettingCodes, check, expect, finish


def backlog(count, size):
    agent = Agent()
    subscription, push = agent.subscribe()
    bodies = [b"%04d" % i + b"x" * (size - 4) for i in range(count)]
    return subscription, [(agent.send(push, body), body) for body in bodies]


def count_open(agent):
    """The maximum number of concurrently open pushed streams: headers arrived, end not yet (a reserved one is not open)."""
    most = [0]

    def on_headers(_):
        open_now = sum(1 for pushed in agent.pushes if pushed.status is not None and not pushed.done)
        most[0] = max(most[0], open_now)

    agent.on_headers = on_headers
    return most


@check
def one_stream():
    """SETTINGS_MAX_CONCURRENT_STREAMS=1: a backlog of 20 arrives in order, one stream at a time"""
    subscription, sent = backlog(20, 1000)
    agent = Agent({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
    most = count_open(agent)
    answer, pushes = agent.outstanding(subscription)
    expect([(pushed.url, pushed.body) for pushed in pushes], sent, "pushes")
    expect(answer.status, 200, "status")
    expect(most[0], 1, "pushed streams open at once")


@check
def small_window():
    """SETTINGS_INITIAL_WINDOW_SIZE=100: bodies of 4096 bytes come as the windows open, and not before"""
    subscription, sent = backlog(3, 4096)
    agent = Agent({SettingCodes.INITIAL_WINDOW_SIZE: 100}, open_windows=False)
    monitor = agent.start("GET", subscription)
    agent.wait(lambda: agent.pushes and len(agent.pushes[0].body) == 100, "the first 100 bytes")
    agent.round_trips(5)
    for pushed in agent.pushes:
        expect(len(pushed.body) <= 100, True, "bytes within the window")
    for index, (message, body) in enumerate(sent):
        agent.wait(lambda: len(agent.pushes) > index, f"promise number {index + 1}")
        pushed = agent.pushes[index]
        while not pushed.done:
            seen = len(pushed.body)
            if seen < len(body):
                agent.wait(lambda: len(pushed.body) >= min(seen, 100), "the bytes the window allows")
                agent.open_window(1000, pushed.number)
                agent.open_window(1000)
            agent.wait(lambda: len(pushed.body) > seen or pushed.done, "bytes for the opened window")
        expect((pushed.url, pushed.body, pushed.status), (message, body, 200), "push")
    expect(monitor.done, False, "end of the held monitor")


@check
def one_stream_and_small_window():
    """a stalled stream under MAX_CONCURRENT_STREAMS=1 holds back the next, and the connection stays usable"""
    subscription, sent = backlog(3, 4096)
    agent = Agent(
        {SettingCodes.MAX_CONCURRENT_STREAMS: 1, SettingCodes.INITIAL_WINDOW_SIZE: 100}, open_windows=False
    )
    most = count_open(agent)
    agent.start("GET", subscription)
    agent.wait(lambda: agent.pushes and len(agent.pushes[0].body) == 100, "the first 100 bytes")
    agent.round_trips(5)
    expect(most[0], 1, "pushed streams open at once")
    # Another request on the connection whose pushes are stalled.
    agent.subscribe()
    for index, (message, body) in enumerate(sent):
        agent.wait(lambda: len(agent.pushes) > index, f"promise number {index + 1}")
        pushed = agent.pushes[index]
        agent.open_window(4096)
        agent.wait(lambda: pushed.status is not None, f"headers of push number {index + 1}")
        agent.open_window(4096, pushed.number)
        agent.wait(lambda: pushed.done, f"end of push number {index + 1}")
        expect((pushed.url, pushed.body), (message, body), "push")
    expect(most[0], 1, "pushed streams open at once")


@check
def large_backlog():
    """a backlog of 300 with the default settings arrives complete and in order"""
    subscription, sent = backlog(300, 500)
    _, pushes = Agent().outstanding(subscription)
    expect([(pushed.url, pushed.body) for pushed in pushes], sent, "pushes")


@check
def stalled_reader():
    """an agent that opens no window does not keep another one from its messages"""
    subscription, sent = backlog(40, 4096)
    stalled = Agent(open_windows=False)
    stalled.start("GET", subscription)
    # The connection window of 65,535 bytes holds 15 whole bodies.
    stalled.wait(lambda: len(stalled.pushes) >= 15 and stalled.pushes[14].done, "what fits in the window")
    stalled.round_trips(5)
    expect(sum(len(pushed.body) for pushed in stalled.pushes) <= 65535, True, "bytes within the window")
    _, pushes = Agent().outstanding(subscription)
    expect([(pushed.url, pushed.body) for pushed in pushes], sent, "pushes to the other agent")


finish()
