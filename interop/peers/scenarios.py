"""The scenarios: each makes its fault several times under load, and repairs it."""

import signal
from dataclasses import dataclass
from typing import Callable

from cluster import pause
from disks import Directory, PowerCutDisk, Volume

# Before the first fault, and from each repair until the next fault or the end.
BEFORE, AFTER = 8.0, 10.0
# From a kill to the next start.
DOWN = 1.0
# For how long a disk is full.
FULL_SECONDS = 8.0


@dataclass
class Scenario:
    name: str
    title: str
    # Of `disks`.
    disk: type
    # Makes one fault; calls `fault` and `repair` of the run at these moments.
    make: Callable


def nothing(_):
    pause(DOWN)


def kill_services(run):
    run.fault()
    run.subject.kill(run.subject.services)
    pause(DOWN)
    run.repair()
    run.subject.start()


def kill_all(run):
    run.fault()
    run.subject.kill(run.subject.programs)
    pause(DOWN)
    run.repair()
    run.subject.start()


def cut_power(run):
    run.fault()
    run.subject.kill(run.subject.programs)
    run.disk.cut()
    pause(DOWN)
    run.repair()
    run.subject.start()


def restart(run):
    run.fault()
    run.subject.terminate()
    run.repair()
    run.subject.start()


def storm(run):
    run.fault()
    run.repair()
    run.clients.send_signal(signal.SIGUSR2)


def fill_disk(run):
    run.fault()
    for _ in range(int(FULL_SECONDS / 0.5)):
        run.disk.fill()
        pause(0.5)
    run.disk.free()
    run.repair()


SCENARIOS = [
    Scenario("nothing", "no fault", Directory, nothing),
    Scenario("kill-services", "`kill -9` of the service, its store lives on", Directory, kill_services),
    Scenario("kill-all", "`kill -9` of the service and its store", Directory, kill_all),
    Scenario("power-cut", "power cut", PowerCutDisk, cut_power),
    Scenario("restart", "orderly restart", Directory, restart),
    Scenario("storm", "all agents reconnect at once", Directory, storm),
    Scenario("full-disk", "full disk for 8 s", Volume, fill_disk),
]
