"""The bodies of messages, from which an agent reads which message it has."""

from typing import NamedTuple


class Damaged(Exception):
    """A body that no sender has written."""


class Identity(NamedTuple):
    """A message: its number in the whole run, its subscription, and its number within the subscription."""

    number: int
    subscription: str
    sequence: int


def encode(identity, size):
    """Returns a body of at least `size` bytes, all of which follow from the identity and the size."""
    head = f"{identity.number} {identity.subscription} {identity.sequence} {size} "
    filling = f"{identity.number}."
    # At least once, so that the number is there twice.
    missing = max(len(filling), size - len(head))
    return (head + (filling * (missing // len(filling) + 1))[:missing]).encode()


def decode(body):
    """Returns the identity; raises `Damaged` if a byte differs from what `encode` made."""
    try:
        number, subscription, sequence, size, _ = body.decode().split(" ", 4)
        identity = Identity(int(number), subscription, int(sequence))
        if encode(identity, int(size)) == body:
            return identity
    except ValueError:
        pass
    raise Damaged(repr(body[:80]))
