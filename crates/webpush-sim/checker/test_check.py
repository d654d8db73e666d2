#!/usr/bin/env python3
"""Tests of the checker: each rule finds a history that breaks it, and accepts one that does not."""

import unittest

from check import check

DAY = 86_400


class History:
    """Builds histories. Time passes with `wait`, in milliseconds."""

    def __init__(self, protocol="events", skew=0, quota=100_000, urgency=0):
        self.now = 0
        self.events = []
        self.add("run", seed=1, store="embedded", safety=False, skew=skew, quota=quota)
        self.protocol = protocol
        self.add("subscribed", a=0, s=1)
        self.connect(1, urgency=urgency)

    def add(self, event, **members):
        self.events.append({"t": self.now, "e": event, **members})
        return self

    def wait(self, millis):
        self.now += millis
        return self

    def connect(self, c, a=0, urgency=0):
        return self.add("connect", a=a, c=c, protocol=self.protocol, urgency=urgency)

    def push(self, m, status=201, s=1, ttl=DAY, topic=None, urgency=2, receipt=False, granted=None):
        self.add("push", m=m, s=s, ttl=ttl, topic=topic, urgency=urgency, receipt=receipt)
        return self if status is None else self.add("answer", m=m, status=status, ttl=granted)

    def deliver(self, m, c=1, s=None):
        return self.add("deliver", c=c, m=m, s=s)

    def acknowledge(self, m, c=1, status=204):
        self.add("ack", c=c, m=m)
        return self if status is None else self.add("acked", m=m, status=status)

    def fault(self, kind, on=True, at=0):
        return self.add("fault", kind=kind, on=on, at=at)

    def receipt(self, m, status=204, r=None):
        return self.add("receipt", m=m, status=status, r=r)

    def end(self):
        self.add("settle").wait(300_000)
        return self.add("end")


class CheckerTest(unittest.TestCase):
    def assert_broken(self, rule, history):
        self.assertEqual([violation["rule"] for violation in check(history.events)], [rule])

    def assert_kept(self, history):
        self.assertEqual(check(history.events), [])

    def test_a_run_without_faults(self):
        self.assert_kept(History().push(1).deliver(1).acknowledge(1).end())

    def test_lost(self):
        self.assert_broken("lost", History().push(1).end())
        self.assert_kept(History().push(1, status=0).end())
        self.assert_kept(History().push(1, ttl=60).wait(1_000).end())
        self.assert_kept(History().push(1).add("unsubscribe", s=1).end())
        self.assert_kept(History().push(1, topic=1).push(2, topic=1).deliver(2).end())
        self.assert_broken("lost", History().push(2, topic=1).push(1, topic=0).deliver(2).end())
        self.assert_kept(History(quota=1).push(1).push(2).deliver(2).end())
        self.assert_kept(History().fault("lying-disk").push(1).end())

    def test_invented_and_misdirected(self):
        self.assert_broken("invented", History().deliver(0))
        other = History().add("subscribed", a=1, s=2).connect(2, a=1)
        self.assert_broken("misdirected", other.push(1).deliver(1, c=2))
        same = History().add("subscribed", a=0, s=2)
        self.assert_broken("misdirected", same.push(1).deliver(1, s=2))
        self.assert_broken("refused", History().push(1, status=400).deliver(1))

    def test_ttl(self):
        self.assert_broken("ttl", History().push(1, ttl=60).wait(61_000).deliver(1))
        self.assert_broken("ttl", History().push(1, ttl=60).wait(60_200).deliver(1))
        self.assert_kept(History().push(1, ttl=60).wait(60_000).deliver(1))
        self.assert_kept(History(skew=30_000).push(1, ttl=60).wait(100_000).deliver(1))
        self.assert_broken("ttl", History().push(1, ttl=0).wait(3_000).deliver(1))
        self.assert_kept(History().fault("stall").push(1, ttl=60).wait(61_000).deliver(1))
        self.assert_broken("ttl", History().push(1, ttl=60, granted=50).wait(51_000).deliver(1))
        self.assert_broken("ttl", History().push(1, ttl=60, granted=61).wait(1_000).deliver(1))

    def test_order(self):
        self.assert_broken("order", History().push(1).push(2).deliver(2).deliver(1))
        concurrent = History().push(1, status=None).push(2).add("answer", m=1, status=201)
        self.assert_kept(concurrent.deliver(2).deliver(1))
        lowered = History(protocol="autopush").add("min_urgency", c=1, urgency=3)
        self.assert_kept(lowered.push(1).push(2, urgency=3).deliver(2).deliver(1))

    def test_repeated(self):
        self.assert_broken("repeated", History().push(1).deliver(1).wait(1_000).deliver(1))
        self.assert_kept(History().push(1).deliver(1).wait(60_000).deliver(1))
        self.assert_broken("repeated", History("autopush").push(1).deliver(1).wait(60_000).deliver(1))
        self.assert_kept(History("autopush").push(1).deliver(1).connect(2).deliver(1, c=2))

    def test_returned(self):
        again = History().push(1).deliver(1).acknowledge(1).connect(2)
        self.assert_broken("returned", again.deliver(1, c=2))
        cut = History().push(1).deliver(1).acknowledge(1).fault("power-cut").connect(2)
        self.assert_broken("returned", cut.deliver(1, c=2))
        lost = History().push(1).deliver(1).acknowledge(1, status=0).connect(2)
        self.assert_kept(lost.deliver(1, c=2))

    def test_returned_without_a_response(self):
        def history():
            return History("autopush").push(1).deliver(1).acknowledge(1, status=None).wait(2_000)

        self.assert_broken("returned", history().connect(2).deliver(1, c=2))
        self.assert_kept(history().fault("crash").connect(2).deliver(1, c=2))
        self.assert_broken("returned", history().fault("restart").connect(2).deliver(1, c=2))
        left = History("autopush").push(1).deliver(1).acknowledge(1, status=None).add("disconnect", c=1)
        self.assert_kept(left.wait(2_000).connect(2).deliver(1, c=2))

    def test_topic(self):
        replaced = History().push(1, topic=1).push(2, topic=1)
        self.assert_broken("topic", replaced.connect(2).deliver(1, c=2))
        self.assert_kept(History().push(1, topic=1).push(2, topic=0).deliver(1).deliver(2))
        self.assert_kept(History().push(1, topic=1).push(2, topic=1, status=0).connect(2).deliver(1, c=2))

    def test_urgency(self):
        self.assert_broken("urgency", History(urgency=3).push(1, urgency=2).deliver(1))
        self.assert_kept(History(urgency=3).push(1, urgency=3).deliver(1))

    def test_removed(self):
        def removed():
            return History().push(1).add("unsubscribe", s=1).add("unsubscribed", s=1, status=204)

        self.assert_broken("removed", removed().connect(2).deliver(1, c=2))
        self.assert_broken("removed", removed().push(2))
        self.assert_kept(removed().push(2, status=404).end())
        self.assert_broken("subscription", History().push(1, status=404))

    def test_agent(self):
        self.assert_broken("agent", History().add("forgotten", a=0))

    def test_receipts(self):
        def acknowledged():
            return History().push(1, status=202, receipt=True).deliver(1).acknowledge(1)

        self.assert_kept(acknowledged().receipt(1, r=1).receipt(1, r=1).end())
        self.assert_broken("receipt", acknowledged().end())
        self.assert_broken("receipt", acknowledged().receipt(1, r=1).receipt(1, r=2).end())
        wanted = History().push(1, status=202, receipt=True).deliver(1)
        self.assert_broken("receipt", wanted.receipt(1))
        self.assert_broken("receipt", History().push(1, status=202, receipt=True).receipt(1, status=410))
        self.assert_broken("receipt", History().push(1).deliver(1).acknowledge(1).receipt(1))
        both = History().push(1, ttl=60, status=202, receipt=True).deliver(1).acknowledge(1, status=None)
        self.assert_broken("receipt", both.receipt(1).wait(61_000).receipt(1, status=410))

    def test_receipts_of_expired_and_replaced_messages(self):
        expired = History().push(1, ttl=60, status=202, receipt=True).wait(1_000)
        self.assert_broken("receipt", expired.end())
        replaced = History().push(1, status=202, receipt=True, topic=1).push(2, topic=1).deliver(2)
        self.assert_kept(replaced.end())

    def test_stores_that_do_not_open(self):
        self.assert_broken("open", History().add("opened", node=0, error="damaged"))
        self.assert_kept(History().fault("lying-disk").add("opened", node=0, error="damaged"))

    def test_unexplained_errors(self):
        self.assert_broken("refused", History().push(1, status=503))
        self.assert_kept(History().fault("full-disk").push(1, status=507))
        filled = History().fault("full-disk").fault("full-disk", on=False)
        self.assert_kept(filled.wait(1_000).push(1, status=503))
        self.assert_broken("refused", filled.wait(60_000).push(2, status=503))

    def test_stuck(self):
        self.assert_broken("stuck", History().add("remaining", a=0, n=1))
        self.assert_kept(History().add("remaining", a=0, n=0))


if __name__ == "__main__":
    unittest.main()
