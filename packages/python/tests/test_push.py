"""The control API, by virtual agents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Sender
from webpush_server_dev import ControlError, DevServer, Namespace, WaitTimeoutError, find_program, start

def test_a_virtual_agent_receives_and_decrypts(push: Namespace, sender: Sender) -> None:
    subscription = push.subscribe(application_server_key=sender.public_key, service="fcm")
    assert subscription["endpoint"].startswith("https://fcm.googleapis.com/")
    assert sender.send(subscription, '{"title": "Dinner"}', headers={"topic": "dinner"}) == 201
    message = push.wait_for_message(topic="dinner")
    assert message["json"] == {"title": "Dinner"}
    assert push.message(message["id"])["number"] == message["number"]
    assert push.messages(text="Lunch") == []
    assert push.proxy_report()["refused"] == []
    push.clear_messages()
    assert push.messages() == []


def test_a_wait_that_fails_lists_what_arrived(push: Namespace, sender: Sender) -> None:
    subscription = push.subscribe(application_server_key=sender.public_key, service="mozilla")
    push.fail(subscription, status=410)
    assert sender.send(subscription, "lost") == 410
    with pytest.raises(WaitTimeoutError, match=r"(?s)no message with .*#\d+ refused 410 \(.+\) to s\d+"):
        push.wait_for_message(timeout=0.05)


def test_faults(push: Namespace, sender: Sender) -> None:
    subscription = push.subscribe(application_server_key=sender.public_key, service="fcm")
    push.fail(subscription, status=429, retry_after=3)
    assert [sender.send(subscription, text) for text in ("one", "two")] == [429, 201]
    push.fault(outcome="lost", times=None)
    assert sender.send(subscription, "three") == 201
    assert push.wait_for_message(state="lost")["delivered"] is None
    assert push.faults()[-1]["times"] is None
    push.clear_faults()
    assert push.faults() == []


def test_offline_and_expired(push: Namespace, sender: Sender) -> None:
    subscription = push.subscribe(application_server_key=sender.public_key, service="fcm")
    push.offline(subscription)
    sender.send(subscription, "stale", ttl=60)
    push.advance("25h")
    assert push.messages(subscription=subscription)[0]["state"] == "expired"
    push.online(subscription["id"])
    assert push.subscription(subscription)["online"] is True
    push.offline()
    assert push.subscription(subscription)["online"] is False


def test_the_clock_is_set_back_after_a_test(push: Namespace) -> None:
    assert push.clock()["advanced"] == "0s"


def test_an_agent_that_cannot_decrypt(push: Namespace, sender: Sender) -> None:
    subscription = push.subscribe(application_server_key=sender.public_key, service="mozilla")
    push.acknowledge(subscription, "decryption-failed")
    sender.send(subscription, "garbled")
    messages = push.messages(subscription=subscription["endpoint"])
    assert messages[0]["text"] == "garbled"


def test_expire_and_rotate(push: Namespace, sender: Sender) -> None:
    old = push.subscribe(application_server_key=sender.public_key, service="fcm")
    new = push.rotate(old)
    assert (sender.send(old, "gone"), sender.send(new, "here")) == (410, 201)
    push.expire(new)
    assert sender.send(new, "gone") == 410
    assert push.subscription(new)["state"] == "gone"


def test_namespaces_do_not_see_each_other(push: Namespace, push_server: DevServer) -> None:
    other = push_server.namespace("another")
    other.subscribe()
    assert push.subscriptions() == []
    assert len(other.subscriptions()) == 1


def test_errors(push: Namespace) -> None:
    with pytest.raises(ControlError) as error:
        push.advance("soon")
    assert error.value.status == 400


def test_start_and_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start(attach=False) as server:
        assert not server.attached
        monkeypatch.setenv("WEBPUSH_DEV", json.dumps(server.ready))
        attached = start()
        assert attached.attached and attached.subscriptions() == []
        attached.stop()
        assert server.subscriptions() == []
    with pytest.raises(ConnectionError):
        server.subscriptions()

    broken = tmp_path / "webpush-server"
    broken.write_text("#!/bin/sh\necho the port is taken >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(RuntimeError, match="the port is taken"):
        start(binary=str(broken), attach=False)
    with pytest.raises(FileNotFoundError, match="argument `binary`"):
        find_program("/nowhere/program")
    monkeypatch.delenv("WEBPUSH_DEV_BINARY", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program() == str(broken)
