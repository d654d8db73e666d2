"""Programs that the suite starts, kills and freezes."""

import os
import signal
import subprocess
import time
from pathlib import Path

# Longest wait for a program to start, to end, or to do what it was asked.
PATIENCE = 60.0


class Stuck(Exception):
    """Something that a fault needs did not happen in time."""


def wait_until(condition, what, seconds=PATIENCE):
    """Returns what the condition returned when it was true."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise Stuck(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
    return result


class Program:
    """A program that ends with the suite, whatever ends that."""

    def __init__(self, name, argv, log, namespace=None, user=None):
        self.name, self.argv, self.log = name, [str(argument) for argument in argv], log
        self.namespace, self.user = namespace, user
        self.process = None

    def command(self, argv):
        """Returns a command that runs in the namespace and as the user of this program."""
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        user = ["--reuid", self.user, "--regid", self.user, "--init-groups"] if self.user else []
        return [*inside, "setpriv", "--pdeathsig", "KILL", *user, *(str(argument) for argument in argv)]

    def start(self, **environment):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(self.argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, env={**os.environ, **environment})

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def last_line(self):
        return (Path(self.log).read_text(errors="replace").splitlines() or [""])[-1]

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        """Ends the program and its children as a power cut does."""
        if self.is_alive():
            for pid in [*children(self.process.pid), self.process.pid]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()

    def terminate(self, number=signal.SIGTERM):
        if self.is_alive():
            self.send(number)
            self.process.wait(PATIENCE)


def psql(url, statement):
    """Returns the result of a statement as text; `None` if the server does not respond."""
    command = ["psql", "-XAtq", "-c", statement, "-d", f"{url}?connect_timeout=3"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10,
                              check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def children(pid):
    """Returns the children of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name of the program may have spaces and parentheses.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except (OSError, ValueError):
            pass
    return found
