"""The checker on histories that are right and histories that are broken. Run by `python3 interop/peers test`."""

import math
import unittest

import clients
import message
import results
from results import is_settled, make_row


class Script:
    """A history, written event by event; `at` is the time in seconds."""

    def __init__(self):
        self.events = []

    def add(self, at, client, event, **members):
        self.events.append({"at": float(at), "client": client, "event": event, "node": clients.NODE, **members})
        return self

    def send(self, number, at, outcome="accepted", agent="a", ended=None, **members):
        self.add(at, "sender", "sent", number=number, subscription=agent, protocol="websocket", ttl=3600,
                 receipt=False, **members)
        more = {"ttl": 3600, "message": f"m{number}", "status": 201} if outcome == "accepted" else {"reason": ""}
        return self.add(at + 0.1 if ended is None else ended, "sender", outcome, number=number, **more)

    def receive(self, number, at, connection=1, agent="a", acknowledges=True):
        self.add(at, agent, "received", number=number, subscription=agent, connection=connection)
        if acknowledges:
            self.add(at, agent, "acknowledged", number=number, durable=False, connection=connection)
        return self

    def connect(self, at, agent="a", connection=1):
        return self.add(at, agent, "connected", connection=connection)

    def disconnect(self, at, agent="a", reason="reset"):
        return self.add(at, agent, "disconnected", reason=reason)

    def mark(self, at, mark):
        return self.add(at, "suite", "mark", mark=mark, row="")

    def fault(self, at, repair):
        return self.mark(at, results.FAULT).mark(repair, results.REPAIR)

    def service(self, begin, end, first=1000):
        """A message for somebody else every half second, all of which arrive."""
        for step in range(int((end - begin) * 2)):
            at, number = begin + step / 2, first + step
            self.send(number, at, agent="other").receive(number, at + 0.2, agent="other")
        return self

    def sorted(self):
        return sorted(self.events, key=lambda event: event["at"])

    def row(self, problems=()):
        return make_row(self.sorted(), problems=problems)


class Loss(unittest.TestCase):
    def test_a_service_that_delivers_all_has_kept_it(self):
        row = Script().connect(0).send(1, 1).receive(1, 2).row()
        self.assertEqual((row.accepted, row.failed, row.lost, row.again), (1, 0, 0, 0))
        self.assertTrue(row.is_kept)

    def test_an_accepted_message_that_never_arrives_is_lost(self):
        row = Script().connect(0).send(1, 1).send(2, 2).receive(2, 3).row()
        self.assertEqual(row.lost, 1)
        self.assertFalse(row.is_kept)

    def test_a_request_that_failed_is_no_loss(self):
        row = Script().connect(0).send(1, 1, "refused").send(2, 2, "unknown").row()
        self.assertEqual((row.accepted, row.failed, row.lost), (0, 2, 0))

    def test_a_message_of_a_forgotten_agent_is_lost(self):
        row = Script().connect(0).send(1, 1).add(2, "a", "forgotten", reason="").connect(3).row()
        self.assertEqual((row.lost, row.forgotten), (1, 1))
        self.assertFalse(row.is_kept)

    def test_the_later_message_of_a_topic_replaces_the_earlier_one(self):
        script = Script().connect(0).send(1, 1, topic="t").send(2, 2, topic="t").receive(2, 3)
        self.assertEqual(script.row().lost, 0)

    def test_a_message_that_nobody_sent_is_a_problem(self):
        self.assertFalse(Script().connect(0).receive(7, 1).row().is_kept)


class Again(unittest.TestCase):
    def test_a_message_that_was_not_acknowledged_may_come_again(self):
        script = Script().send(1, 0).receive(1, 1, acknowledges=False).receive(1, 20, connection=2)
        self.assertEqual(script.row().again, 0)

    def test_one_that_was_acknowledged_on_an_earlier_connection_came_again(self):
        row = Script().send(1, 0).receive(1, 1).receive(1, 1.5, connection=2).row()
        self.assertEqual((row.again, row.again_settled), (1, 0))

    def test_a_repetition_on_the_same_connection_is_under_way(self):
        self.assertEqual(Script().send(1, 0).receive(1, 1).receive(1, 1.5).row().again, 0)

    def test_it_was_settled_after_service_without_a_pause(self):
        row = Script().connect(0).send(1, 0).receive(1, 1).service(1, 10).receive(1, 20, connection=2).row()
        self.assertEqual((row.again, row.again_settled), (1, 1))
        self.assertFalse(row.is_kept)

    def test_it_was_not_if_agents_lost_the_service(self):
        script = Script().send(1, 0).receive(1, 1).service(1, 10).receive(1, 20, connection=2)
        row = script.disconnect(3, "b").connect(4, "b").row()
        self.assertEqual((row.again, row.again_settled), (1, 0))


class Times(unittest.TestCase):
    def test_times_count_from_the_repair_and_the_longest_counts(self):
        script = Script().connect(0).connect(0, "other")
        script.fault(10, 11).disconnect(10.1).connect(13).send(1, 11.5, ended=12).receive(1, 13.5)
        script.fault(20, 21).disconnect(20.1).connect(21.5).send(2, 21.1, ended=26).receive(2, 26.5)
        row = script.add(40, "suite", "end").row()
        self.assertEqual((row.accepts_after, row.delivers_after, row.agents_after), (5.0, 5.5, 2.0))

    def test_a_service_that_does_not_come_back_has_no_time(self):
        row = Script().connect(0).fault(10, 11).disconnect(10.1).add(40, "suite", "end").row()
        self.assertEqual((row.accepts_after, row.delivers_after, row.agents_after), (None, None, None))
        self.assertEqual(row.absent, 1)
        self.assertFalse(row.is_kept)

    def test_without_a_fault_there_is_no_time(self):
        row = Script().connect(0).send(1, 1).receive(1, 2).row()
        self.assertTrue(math.isnan(row.accepts_after) and row.is_kept)

    def test_one_fault_without_recovery_is_enough(self):
        script = Script().connect(0).fault(10, 11).send(1, 11.5).receive(1, 12).fault(20, 21)
        self.assertEqual(script.add(40, "suite", "end").row().accepts_after, None)

    def test_a_message_that_was_sent_before_the_repair_proves_no_delivery(self):
        script = Script().connect(0).send(1, 5).fault(10, 11).receive(1, 12).add(40, "suite", "end")
        self.assertEqual(script.row().delivers_after, None)

    def test_agents_that_left_by_themselves_do_not_count(self):
        script = Script().connect(0).fault(10, 11).disconnect(12, reason="left").connect(18).add(40, "suite", "end")
        self.assertEqual(script.row().agents_after, 0.0)

    def test_an_agent_is_absent_until_it_is_connected(self):
        script = Script().connect(0).disconnect(1).add(2, "a", "unreachable", reason="")
        self.assertEqual(script.row().absent, 1)
        self.assertEqual(script.connect(3, connection=2).row().absent, 0)


class Report(unittest.TestCase):
    def test_a_run_is_settled_when_nothing_is_missing(self):
        script = Script().connect(0).send(1, 1)
        self.assertFalse(is_settled(script.sorted()))
        self.assertTrue(is_settled(script.receive(1, 2).sorted()))
        self.assertFalse(is_settled(script.disconnect(3).sorted()))

    def test_programs_that_ended_are_counted(self):
        script = Script().connect(0)
        for at in (1, 2):
            script.add(at, "suite", "ended", program="redis", status=1)
        row = script.add(3, "suite", "not-ended", program="autoconnect").row()
        self.assertEqual(row.ended, {"redis": 2, "autoconnect (killed)": 1})
        self.assertIn("autoconnect (killed) 1, redis 2", results.table([row]))

    def test_a_service_that_does_not_start_is_a_problem(self):
        row = Script().row(["it is not ready"])
        self.assertFalse(row.is_kept)
        self.assertIn("it is not ready", results.table([row]))

    def test_habits_are_shared_out(self):
        kinds = list(clients.habits(20))[:20]
        self.assertEqual([kinds.count(kind) for kind in ("stays", "leaves", "fades")], [10, 6, 4])

    def test_a_body_names_its_message(self):
        self.assertEqual(message.decode(message.encode(message.Identity(5, "agent-1", 5), 60)).number, 5)


if __name__ == "__main__":
    unittest.main()
