"""The checker on histories that are right and histories that are broken. Run by `python3 interop/cluster test`."""

import json
import tempfile
import unittest
from pathlib import Path

import history
import message
from checker import Verdict
from rows import make_rows


class Script:
    """A history, written event by event; `at` is the time in seconds."""

    def __init__(self):
        self.events = []

    def add(self, at, client, event, **members):
        self.events.append({"at": float(at), "client": client, "event": event, **members})
        return self

    def send(self, number, at, subscription="a", outcome="accepted", ended=None, ttl=3600, topic=None,
             receipt=False, node="n1"):
        self.add(at, "sender", "sent", number=number, subscription=subscription, protocol="websocket", node=node,
                 ttl=ttl, receipt=receipt, **({"topic": topic} if topic else {}))
        if outcome == "accepted":
            self.add(at + 0.1 if ended is None else ended, "sender", outcome, number=number, node=node, ttl=ttl,
                     message=f"m{number}", status=202 if receipt else 201)
        elif outcome:
            self.add(at + 0.1 if ended is None else ended, "sender", outcome, number=number, node=node, reason="")
        return self

    def receive(self, number, at, subscription="a", node="n1"):
        return self.add(at, "agent", "received", number=number, subscription=subscription, node=node)

    def acknowledge(self, number, at, durable=True, node="n1"):
        return self.add(at, "agent", "acknowledged", number=number, durable=durable, node=node)

    def receipt(self, number, at, id=None, status=204):
        return self.add(at, "sender", "receipt", message=f"m{number}", receipt=id or f"r{number}", status=status)

    def service(self, begin, end, node="n1", first=1000):
        """A message for somebody else every half second, all of which arrive."""
        for step in range(int((end - begin) * 2)):
            at, number = begin + step / 2, first + step
            self.send(number, at, subscription="other", node=node).receive(number, at + 0.2, "other")
        return self

    def verdict(self):
        return Verdict(sorted(self.events, key=lambda event: event["at"]))


class Loss(unittest.TestCase):
    def test_nothing_is_lost_if_all_arrives(self):
        verdict = Script().send(1, 0).receive(1, 1).verdict()
        self.assertEqual(verdict.lost, set())
        self.assertTrue(all(row.is_good for row in make_rows(verdict)))

    def test_an_accepted_message_that_never_arrives_is_lost(self):
        verdict = Script().send(1, 0).send(2, 1).receive(2, 2).verdict()
        self.assertEqual(verdict.lost, {1})
        self.assertFalse(all(row.is_good for row in make_rows(verdict)))

    def test_a_message_that_was_not_accepted_is_no_loss(self):
        for outcome in ("unknown", "refused", None):
            self.assertEqual(Script().send(1, 0, outcome=outcome).verdict().lost, set())

    def test_an_expired_message_is_no_loss_and_one_that_is_not_yet_expired_is(self):
        script = Script().send(1, 0, ttl=10).send(2, 5, ttl=10).send(3, 12, ttl=0)
        self.assertEqual(script.verdict().lost, {2})

    def test_a_message_is_replaced_by_a_later_one_of_its_topic(self):
        self.assertEqual(Script().send(1, 0, topic="t").send(2, 1, topic="t").receive(2, 2).verdict().lost, set())

    def test_another_topic_or_subscription_replaces_nothing(self):
        script = Script().send(1, 0, topic="t").send(2, 1, topic="u").receive(2, 2)
        script.send(3, 1, subscription="b", topic="t").receive(3, 2, "b")
        self.assertEqual(script.verdict().lost, {1})

    def test_an_earlier_one_of_its_topic_replaces_nothing(self):
        self.assertEqual(Script().send(1, 0, topic="t").receive(1, 1).send(2, 2, topic="t").verdict().lost, {2})

    def test_one_of_unknown_outcome_may_have_replaced_it_but_not_a_refused_one(self):
        script = Script().send(1, 0, topic="t")
        self.assertEqual(script.send(2, 1, topic="t", outcome="refused").verdict().lost, {1})
        self.assertEqual(script.send(3, 2, topic="t", outcome="unknown").verdict().lost, set())

    def test_one_of_unknown_outcome_may_be_committed_much_later(self):
        script = Script().send(1, 0, topic="t", outcome="unknown").send(2, 1, topic="t")
        self.assertEqual(script.verdict().lost, set())

    def test_of_two_that_overlap_one_must_arrive(self):
        script = Script().send(1, 0, topic="t", ended=3).send(2, 1, topic="t", ended=2)
        self.assertEqual(script.verdict().lost, {1, 2})
        self.assertEqual(script.receive(1, 4).verdict().lost, set())

    def test_only_the_last_of_a_lost_chain_is_lost(self):
        script = Script().send(1, 0, topic="t").send(2, 1, topic="t").send(3, 2, topic="t")
        self.assertEqual(script.verdict().lost, {3})

    def test_what_a_subscription_loses_with_its_agent_is_a_violation(self):
        verdict = Script().send(1, 0).receive(1, 1).add(0.5, "agent", "forgotten", reason="404").verdict()
        self.assertFalse(all(row.is_good for row in make_rows(verdict)))


class Repetition(unittest.TestCase):
    def test_a_message_may_come_twice_before_it_is_acknowledged(self):
        verdict = Script().send(1, 0).receive(1, 1).receive(1, 9).acknowledge(1, 10).verdict()
        self.assertEqual((verdict.repeated, verdict.after_acknowledgement), ({1}, set()))

    def test_a_message_comes_again_after_its_delete_returned(self):
        verdict = Script().send(1, 0).receive(1, 1).acknowledge(1, 2).receive(1, 9).verdict()
        self.assertEqual(verdict.after_acknowledgement, {1})

    def test_a_delivery_under_way_is_excused(self):
        verdict = Script().send(1, 0).receive(1, 1).acknowledge(1, 2).receive(1, 3).verdict()
        self.assertEqual(verdict.after_acknowledgement, set())

    def lazily_acknowledged(self):
        return Script().send(1, 0).receive(1, 1).acknowledge(1, 2, durable=False)

    def test_an_acknowledgement_without_a_response_is_durable_after_service_without_a_pause(self):
        verdict = self.lazily_acknowledged().service(2, 10).receive(1, 20).verdict()
        self.assertEqual(verdict.after_acknowledgement, {1})

    def test_it_is_not_if_the_node_paused_or_another_one_served_or_it_is_too_early(self):
        script = self.lazily_acknowledged().service(2, 4).service(6, 10, first=2000).receive(1, 20)
        self.assertEqual(script.verdict().after_acknowledgement, set())
        script = self.lazily_acknowledged().service(2, 10, node="n2").receive(1, 20)
        self.assertEqual(script.verdict().after_acknowledgement, set())
        script = self.lazily_acknowledged().service(2, 10).receive(1, 6)
        self.assertEqual(script.verdict().after_acknowledgement, set())

    def test_it_is_not_if_agents_lost_the_node(self):
        script = self.lazily_acknowledged().service(2, 10).receive(1, 20)
        script.add(3, "agent-2", "disconnected", node="n1", reason="reset").add(4, "agent-2", "connected", node="n1")
        self.assertEqual(script.verdict().after_acknowledgement, set())

    def test_a_receipt_proves_it(self):
        script = Script().send(1, 0, receipt=True).receive(1, 1).acknowledge(1, 2, durable=False).receipt(1, 3)
        self.assertEqual(script.receive(1, 9).verdict().after_acknowledgement, {1})


class Order(unittest.TestCase):
    def test_messages_sent_one_after_the_other_must_keep_their_order(self):
        script = Script().send(1, 0).send(2, 1).receive(2, 3).receive(1, 4)
        self.assertEqual(script.verdict().disordered, {1})

    def test_messages_that_overlap_have_no_order(self):
        script = Script().send(1, 0, ended=2).send(2, 1, ended=3).receive(2, 4).receive(1, 5)
        self.assertEqual(script.verdict().disordered, set())

    def test_messages_that_soon_expire_have_no_order(self):
        script = Script().send(1, 0, ttl=10).send(2, 1).receive(2, 3).receive(1, 4)
        self.assertEqual(script.verdict().disordered, set())

    def test_a_repetition_is_no_disorder(self):
        script = Script().send(1, 0).send(2, 1).receive(1, 2).receive(2, 3).receive(1, 4)
        self.assertEqual(script.verdict().disordered, set())

    def test_subscriptions_and_unconfirmed_messages_do_not_count(self):
        script = Script().send(1, 0).send(2, 1, subscription="b").receive(2, 3, "b").receive(1, 4)
        script.send(3, 5, outcome="unknown").send(4, 6).receive(4, 7).receive(3, 8)
        self.assertEqual(script.verdict().disordered, set())


class Receipts(unittest.TestCase):
    def test_an_acknowledged_message_has_one(self):
        script = Script().send(1, 0, receipt=True).receive(1, 1).acknowledge(1, 2)
        self.assertEqual(script.verdict().missing_receipts, {1})
        self.assertEqual(script.receipt(1, 3).verdict().missing_receipts, set())

    def test_an_acknowledgement_that_may_be_lost_needs_none(self):
        script = Script().send(1, 0, receipt=True).receive(1, 1).acknowledge(1, 2, durable=False)
        self.assertEqual(script.verdict().missing_receipts, set())
        self.assertEqual(script.service(2, 10).verdict().missing_receipts, {1})

    def test_an_expired_message_has_one(self):
        script = Script().send(1, 0, receipt=True, ttl=10).service(0, 20)
        self.assertEqual(script.verdict().missing_receipts, set())
        script.service(20, 40, first=3000)
        self.assertEqual(script.verdict().missing_receipts, {1})

    def test_a_replaced_message_needs_none(self):
        script = Script().send(1, 0, receipt=True, topic="t").receive(1, 1).acknowledge(1, 3)
        script.send(2, 2, topic="t").receive(2, 4)
        self.assertEqual(script.verdict().missing_receipts, set())

    def test_two_for_one_message_are_wrong(self):
        script = Script().send(1, 0, receipt=True).receive(1, 1).acknowledge(1, 2).receipt(1, 3)
        self.assertEqual(script.verdict().wrong_receipts, set())
        self.assertEqual(script.receipt(1, 4).verdict().wrong_receipts, set())
        self.assertEqual(script.receipt(1, 5, status=410).verdict().wrong_receipts, {1})

    def test_one_that_comes_again_after_it_was_acknowledged_is_wrong(self):
        script = Script().send(1, 0, receipt=True).receive(1, 1).acknowledge(1, 2).receipt(1, 3)
        script.add(4, "sender", "resumed", receipt=None).receipt(1, 5)
        self.assertEqual(script.verdict().wrong_receipts, set())
        script.add(6, "sender", "resumed", receipt="r1").receipt(1, 7)
        self.assertEqual(script.verdict().wrong_receipts, {1})

    def test_one_for_nothing_that_was_sent_is_a_violation(self):
        self.assertTrue(Script().receipt(1, 3).verdict().history.violations)

    def test_one_may_be_for_a_message_of_unknown_outcome(self):
        script = Script().send(1, 0, receipt=True, outcome="unknown").receipt(1, 3).receipt(1, 4)
        self.assertEqual(script.verdict().history.violations, [])
        self.assertTrue(script.receipt(2, 5).verdict().history.violations)


class Identity(unittest.TestCase):
    def test_a_message_that_nobody_sent_or_of_another_subscription_is_a_violation(self):
        self.assertTrue(Script().receive(7, 1).verdict().history.violations)
        self.assertTrue(Script().send(1, 0).receive(1, 1, "b").verdict().history.violations)

    def test_a_body_is_read_only_if_every_byte_is_right(self):
        identity = message.Identity(17, "a-b", 3)
        for size in (1, 60, 4000):
            body = message.encode(identity, size)
            self.assertEqual(message.decode(body), identity)
            self.assertGreaterEqual(len(body), size)
            for wrong in (body[:-1], body + b"x", body.replace(b"17", b"18", 1), b"\xff" + body[1:]):
                self.assertRaises(message.Damaged, message.decode, wrong)


class Rows(unittest.TestCase):
    def test_a_row_has_what_was_sent_in_its_span(self):
        script = Script().send(1, 1).send(2, 11).receive(1, 2).send(3, 20).receive(3, 20.2)
        script.add(2, "agent-1", "disconnected", node="n1", reason="reset").add(5, "agent-1", "connected", node="n2")
        script.add(3, "agent-2", "disconnected", node="n1", reason="left").add(4, "agent-2", "connected", node="n2")
        for name, begin, end in (("first", 0, 10), ("second", 10, 20)):
            script.add(begin, "suite", "mark", mark="begin", row=name)
            script.add(end, "suite", "mark", mark="end", row=name)
        first, second, rest = make_rows(script.verdict())
        self.assertEqual((first.accepted, first.lost, first.disconnected, first.back_all), (1, 0, 1, 3))
        self.assertEqual((second.accepted, second.lost, second.disconnected), (1, 1, 0))
        self.assertEqual((rest.accepted, rest.lost), (1, 0))
        self.assertAlmostEqual(first.pause, 8.9)

    def test_an_agent_that_never_comes_back_is_counted(self):
        script = Script().send(1, 0).send(2, 1).receive(1, 1).receive(2, 2)
        script.add(0.5, "agent-1", "disconnected", node="n1", reason="reset")
        self.assertEqual(make_rows(script.verdict())[0].never_back, 1)

    def test_what_was_given_up_is_counted_apart(self):
        script = Script().add(0, "suite", "mark", mark="begin", row="stale").send(1, 1).send(2, 5)
        script.add(9, "suite", "mark", mark="end", row="stale", given_up=[0, 3])
        row = make_rows(script.verdict())[0]
        self.assertEqual((row.given_up, row.lost), (1, 1))

    def test_a_receipt_that_was_given_up_may_come_again(self):
        for at, wrong in ((2, 0), (4, 1)):
            script = Script().add(0, "suite", "mark", mark="begin", row="stale").send(1, 0.5, ttl=0, receipt=True)
            script.receipt(1, at, id="r1", status=410).receipt(1, 8, id="r2", status=410)
            script.add(9, "suite", "mark", mark="end", row="stale", given_up=[1, 3])
            self.assertEqual(make_rows(script.verdict())[0].wrong_receipts, wrong)

    def test_a_history_is_read_from_files(self):
        with tempfile.TemporaryDirectory() as directory:
            for name, client, event in (("senders", "sender", "sent"), ("agents", "agent", "connected")):
                recorder = history.Recorder(Path(directory) / f"{name}.jsonl")
                recorder.record(client, event, number=1)
                recorder.close()
            with open(Path(directory) / "agents.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps({"at": 0})[:-1])
            self.assertEqual([event["event"] for event in history.read(directory)], ["sent", "connected"])


if __name__ == "__main__":
    unittest.main()
