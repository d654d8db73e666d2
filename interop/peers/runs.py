"""Runs scenarios, each with a service and clients of its own."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import clients
import history
import results
from cluster import pause
from disks import PowerCutDisk
from processes import Stuck
from scenarios import AFTER, BEFORE, SCENARIOS
from subjects import SUBJECTS

# Longest time for all agents to subscribe.
SUBSCRIBE_SECONDS = 60.0
# At the end: longest wait for what is missing, after each of the reconnections of all agents.
SETTLE_SECONDS, RECONNECTIONS = 15.0, 2


def add_arguments(parser):
    names = ", ".join(SUBJECTS)
    parser.add_argument("--subject", default="all", metavar="NAME,…", help=f"{names} [default: all]")
    parser.add_argument("--only", metavar="SCENARIO,…",
                        help=f"{', '.join(scenario.name for scenario in SCENARIOS)} [default: all]")
    parser.add_argument("--server", metavar="PROGRAM", help="webpush-server")
    parser.add_argument("--autopush", metavar="DIR", help="the source of autopush-rs, with target/release")
    parser.add_argument("--powercut", metavar="PROGRAM", help="webpush-powercut, for the power cut")
    parser.add_argument("--rounds", type=int, default=3, help="faults in each scenario [default: %(default)s]")
    parser.add_argument("--directory", required=True, type=Path, help="for histories and logs")
    clients.add_arguments(parser)


def choose(text, known):
    """Returns what is named, in that order; everything by default."""
    if text in (None, "all"):
        return list(known.values())
    if unknown := [name for name in text.split(",") if name not in known]:
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in text.split(",")]


class Run:
    """One scenario with one subject."""

    def __init__(self, arguments, kind, scenario, directory, scratch):
        self.arguments, self.scenario, self.directory, self.scratch = arguments, scenario, directory, scratch
        directory.mkdir(parents=True)
        self.marks = history.Recorder(directory / "suite.jsonl")
        self.subject = kind(arguments, scratch, self.marks)
        self.disk, self.clients, self.problems = None, None, []

    def fault(self):
        self.marks.record("suite", "mark", mark=results.FAULT, row=self.scenario.name)

    def repair(self):
        self.marks.record("suite", "mark", mark=results.REPAIR, row=self.scenario.name)

    def run(self):
        """Returns the row."""
        try:
            self.start()
            pause(BEFORE)
            for _ in range(self.arguments.rounds):
                self.scenario.make(self)
                pause(AFTER)
            self.settle()
        except Stuck as error:
            self.problems.append(str(error))
        finally:
            self.stop()
        about = {"subject": self.subject.name, "scenario": self.scenario.title, "problems": self.problems}
        (self.directory / "run.json").write_text(json.dumps(about))
        return results.read(self.directory)

    def start(self):
        more = [self.arguments.powercut] if self.scenario.disk is PowerCutDisk else []
        self.disk = self.scenario.disk(self.scratch / "data", self.subject.user, *more)
        self.subject.create(self.disk.path)
        self.subject.start()
        self.subject.wait_until_ready()
        main = Path(__file__).with_name("__main__.py")
        options = ["--connect", self.subject.connect, "--push", self.subject.push, "--directory", self.directory]
        for name in ("agents", "senders", "rate", "seed"):
            options += [f"--{name}", getattr(self.arguments, name)]
        self.clients = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, str(main), "clients", *map(str, options)])
        deadline = time.monotonic() + SUBSCRIBE_SECONDS
        while not (self.directory / "subscribed").exists():
            if self.clients.poll() is not None or time.monotonic() > deadline:
                raise Stuck(f"the agents have not subscribed within {SUBSCRIBE_SECONDS:.0f} s")
            time.sleep(0.1)

    def settle(self):
        """Ends sending, and waits until everything has arrived; agents reconnect if something is missing."""
        for _ in range(1 + RECONNECTIONS):
            self.clients.send_signal(subprocess.signal.SIGUSR1)
            deadline = time.monotonic() + SETTLE_SECONDS
            while time.monotonic() < deadline:
                pause(2)
                if self.clients.poll() is not None:
                    raise Stuck(f"the clients ended with status {self.clients.returncode}")
                if results.is_settled(history.read(self.directory)):
                    return

    def stop(self):
        if self.clients:
            self.clients.terminate()
            try:
                self.clients.wait(20)
            except subprocess.TimeoutExpired:
                self.clients.kill()
                self.clients.wait()
        self.subject.stop()
        self.marks.close()
        if self.disk:
            self.disk.remove()
        for log in self.scratch.glob("*.log"):
            (self.directory / log.name).write_bytes(log.read_bytes()[-200_000:])


def run(arguments):
    """Returns true if each service kept what it had confirmed."""
    kinds = choose(arguments.subject, SUBJECTS)
    scenarios = choose(arguments.only, {scenario.name: scenario for scenario in SCENARIOS})
    rows, left_out = [], []
    for kind in kinds:
        if lack := kind.lacks(arguments):
            left_out.append(f"not run: {kind.name}: needs {lack}")
            continue
        for scenario in scenarios:
            if scenario.disk is PowerCutDisk and not arguments.powercut:
                left_out.append(f"not run: {scenario.title}: needs --powercut PROGRAM")
                continue
            began = time.monotonic()
            key = next(name for name, value in SUBJECTS.items() if value is kind)
            directory = arguments.directory / key / scenario.name
            if directory.exists():
                sys.exit(f"{directory} has the histories of another run")
            with tempfile.TemporaryDirectory(prefix="webpush-peers-", ignore_cleanup_errors=True) as scratch:
                # For PostgreSQL's user.
                Path(scratch).chmod(0o755)
                rows.append(Run(arguments, kind, scenario, directory, Path(scratch)).run())
            print(f"{scenario.title}, {kind.name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(results.table(in_order(rows)))
    for line in dict.fromkeys(left_out):
        print(line)
    return bool(rows) and all(row.is_kept for row in rows)


def in_order(rows):
    """Returns rows by scenario, then by subject."""
    titles = [scenario.title for scenario in SCENARIOS]
    names = [kind.name for kind in SUBJECTS.values()]
    return sorted(rows, key=lambda row: (titles.index(row.scenario), names.index(row.subject)))


def check(arguments):
    """Prints the table of runs from their histories."""
    rows = [results.read(path.parent) for path in sorted(arguments.directory.glob("*/*/run.json"))]
    print(results.table(in_order(rows)))
    return all(row.is_kept for row in rows)
