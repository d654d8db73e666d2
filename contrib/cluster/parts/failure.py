"""Errors with a message for people."""


class Failure(Exception):
    """Ends the command; the message says what to do."""
