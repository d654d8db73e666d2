"""The log in the systemd journal: the fields of entries, and no URLs in them.

The journal's socket has one place, so the script has a /run of its own (unshare): nobody else's is touched. Needs root.
"""

import http.client
import os
import signal
import socket
import struct
import subprocess
import sys

PATIENCE = 60
SOCKET = "/run/systemd/journal/socket"
# The script restarts itself in a mount namespace, and recognizes that by this variable.
INSIDE = "WEBPUSH_JOURNAL_INSIDE"
wrong = 0


def check(name, holds, found=""):
    global wrong
    wrong += not holds
    print(f"ok {name}" if holds else f"WRONG {name}: {found}")


def fields(datagram):
    """An entry in the native protocol: NAME=value, or NAME, eight bytes of length, and the value."""
    found = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, is_short, value = line.partition(b"=")
        if not is_short:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
        found[name.decode()] = value.decode()
        datagram = rest
    return found


def until(journal, is_it):
    """All entries up to one."""
    entries = []
    while not entries or not is_it(entries[-1]):
        entry = journal.recv(64 * 1024)
        # An empty one comes first, to test whether anything is listening.
        entries += [fields(entry)] if entry else []
    return entries


def run():
    os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind(SOCKET)
    journal.settimeout(PATIENCE)
    server = subprocess.Popen(
        [
            os.environ["WEBPUSH_SERVER"], "--config", "/dev/null", "--port", "0", "--admin", "off",
            "--data-dir", os.path.join(os.environ["WEBPUSH_DIRECTORY"], "data"), "--drain-window", "0s",
            "--log-format", "journald", "--log-level", "webpush=debug",
        ],
        stdout=subprocess.PIPE,
        stderr=open(os.environ["WEBPUSH_LOG"], "ab"),
    )
    try:
        talk(journal, server)
    finally:
        server.kill()


def talk(journal, server):
    origin = server.stdout.readline().decode().split(" serves ")[1].split(" ")[0]
    connection = http.client.HTTPConnection(origin.removeprefix("http://"), timeout=PATIENCE)
    connection.request("POST", "/subscribe")
    subscribed = connection.getresponse()
    subscribed.read()
    push = subscribed.headers.get_all("link")[0].split(">")[0].removeprefix("<" + origin)
    connection.request("POST", push, b"x", {"TTL": "60"})
    pushed = connection.getresponse()
    pushed.read()
    entries = until(journal, lambda entry: entry["MESSAGE"] == "message accepted")
    accepted = entries[-1]
    check("a level is a priority", accepted["PRIORITY"] == "6", accepted)
    check("whose line it is", accepted["SYSLOG_IDENTIFIER"] == "webpush-server", accepted)
    check("fields have names of ours", "WEBPUSH_AGENT" in accepted and "WEBPUSH_MESSAGE_LOG_ID" in accepted, accepted)
    server.send_signal(signal.SIGTERM)
    entries += until(journal, lambda entry: entry["MESSAGE"].startswith("shutting down"))
    check("what is usual is a notice", entries[-1]["PRIORITY"] == "5", entries[-1])
    check("it ends in order", server.wait(PATIENCE) == 0)
    capabilities = [push, pushed.headers["location"], subscribed.headers["location"]]
    tokens = [url.rsplit("/", 1)[1] for url in capabilities]
    check("no entry has a URL", not any(token in str(entry) for token in tokens for entry in entries))


if INSIDE not in os.environ:
    os.environ[INSIDE] = "1"
    alone = "mount -t tmpfs none /run && exec \"$0\" \"$@\""
    os.execvp("unshare", ["unshare", "--mount", "sh", "-c", alone, sys.executable, *sys.argv])
run()
sys.exit(wrong != 0)
