"""The text of an error for a message that did not come: what came instead, and what was refused and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._namespace import Json, Namespace

_SHOWN = 20


def describe_timeout(namespace: Namespace, filters: Json, timeout: float) -> str:
    wanted = " ".join(f"{name}={_value(value)}" for name, value in filters.items() if value is not None)
    lines = [f"no message with {wanted} in {timeout:g} s"]
    messages = namespace.messages()
    if messages:
        lines += ["The namespace has:", *(f"  {describe_message(message)}" for message in messages[-_SHOWN:])]
    else:
        lines.append("The namespace has no messages.")
    if not namespace.subscriptions():
        lines.append("It has no subscriptions either: a browser's subscription belongs to it after `adopt`.")
    for refused in namespace.proxy_report()["refused"]:
        lines.append(
            "The proxy refused {method} {host}:{port} ({count} times): not a push service.".format(**refused)
        )
    return "\n".join(lines)


def describe_message(message: Json) -> str:
    """One line: number, state, why it was refused, and what identifies it."""
    words = [f"#{message['number']} {message['state']}"]
    if message["state"] == "refused":
        problem = " ".join((message["problem"] or "no reason given").split())
        words.append(f"{message['status']} ({problem})")
    words.append(f"to {message['subscription'] or message['endpoint']}")
    if message["topic"]:
        words.append(f"topic={message['topic']}")
    if message["urgency"] not in (None, "normal"):
        words.append(f"urgency={message['urgency']}")
    if message["fault"]:
        words.append(f"fault={message['fault']}")
    if message["text"] is not None:
        words.append(f"text={json.dumps(message['text'])}")
    elif message["decryption"]:
        words.append(f"({message['decryption']})")
    return " ".join(words)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("id") or value.get("endpoint"))
    return json.dumps(value)
