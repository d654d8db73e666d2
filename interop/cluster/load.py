"""The load: a process of agents and one of senders, which write histories into a directory."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import agents
import history
import senders
from checker import Verdict

# Longest time for all agents to subscribe.
SUBSCRIBE_SECONDS = 180


def add_arguments(parser):
    parser.add_argument("--directory", required=True, help="for the histories; must not have any")
    parser.add_argument("--seed", default="1", help="of everything random [default: %(default)s]")
    parser.add_argument("--health-checks", type=float, default=0, metavar="SECONDS",
                        help="check the health of nodes at this interval, as a balancer does; 0: leave out a node only "
                             "after an error [default: %(default)s]")
    agents.add_arguments(parser)
    senders.add_arguments(parser)


def add_settle_argument(parser):
    parser.add_argument("--settle", type=float, default=60, metavar="SECONDS",
                        help="longest wait for what was accepted to arrive, at the end [default: %(default)s]")


class Load:
    """Call `start`, `settle` and `stop`."""

    def __init__(self, arguments, nodes, mcs):
        self.directory = Path(arguments.directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        if any(self.directory.glob("*.jsonl")):
            sys.exit(f"{self.directory} has the histories of another run")
        self.options = []
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        for name in vars(parser.parse_args(["--directory", "."])):
            self.options += [f"--{name.replace('_', '-')}", str(getattr(arguments, name))]
        self.options += ["--nodes", ",".join(nodes)]
        if mcs:
            self.options += ["--mcs", ",".join(mcs)]
        self.processes = {}

    def run(self, command):
        main = Path(__file__).with_name("__main__.py")
        self.processes[command] = subprocess.Popen([sys.executable, str(main), command, *self.options])

    def start(self):
        self.run("agents")
        deadline = time.monotonic() + SUBSCRIBE_SECONDS
        while not (self.directory / "subscriptions.json").exists():
            self.check_processes()
            if time.monotonic() > deadline:
                sys.exit(f"the agents have not subscribed within {SUBSCRIBE_SECONDS} s")
            time.sleep(0.1)
        self.run("senders")

    def check_processes(self):
        for command, process in self.processes.items():
            if process.poll() is not None:
                sys.exit(f"the process of the {command} ended with status {process.returncode}")

    def settle(self, seconds):
        """Ends sending, and waits until everything has arrived, but not longer than `seconds`. Returns the verdict."""
        for process in self.processes.values():
            process.send_signal(subprocess.signal.SIGUSR1)
        deadline = time.monotonic() + seconds
        while True:
            time.sleep(3)
            self.check_processes()
            verdict = Verdict(history.read(self.directory))
            in_flight = any(message.outcome is None for message in verdict.messages.values())
            missing = (verdict.lost | verdict.missing_receipts) - verdict.given_up
            if not (missing or in_flight) or time.monotonic() > deadline:
                return verdict

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
