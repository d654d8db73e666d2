"""A user agent of the matrix on hyper-h2, which decrypts with `http_ece`.

matrix-agent.py subscribe STATE    prints {"subscription":…}, keeps the rest in the file STATE
matrix-agent.py monitor STATE      prints {"message":…,"path":…,"encoding":…} for two messages on one held GET
"""

from browser import Browser, print_message, run
from lib import Agent, expect


def subscribe(state):
    Browser.make(state, *Agent().subscribe())


def monitor(state):
    browser = Browser.read(state)
    agent = Agent()
    held = agent.start("GET", browser.subscription)
    for index in range(2):
        agent.wait(lambda: held.done or len(agent.pushes) > index, f"promise number {index + 1}")
        expect(held.done, False, "end of the held GET")
        push = agent.next_push(index)
        promised = dict(push.promised)
        expect((push.parent, promised[":method"], push.status), (held.number, "GET", 200), "promise")
        text = browser.decrypt(push.headers, push.body)
        agent.acknowledge(push.url)
        print_message(text, promised[":path"], push.headers)


run({"subscribe": subscribe, "monitor": monitor})
