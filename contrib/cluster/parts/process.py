"""Processes that outlive the command that starts them, found again by their PID files."""

import os
import signal
import subprocess
import time
from pathlib import Path

from .failure import Failure

#: Seconds that a process may take to end before it is killed.
STOP_TIMEOUT = 40


class Process:
    """A process with a PID file in `run/` and a log in `log/` of the cluster's directory.

    Its command line must name the directory, which tells it from another process that has its PID by now.
    """

    def __init__(self, directory: Path, name: str, command: list[str]):
        self.name = name
        self.command = command
        self.directory = directory
        self.pid_file = directory / "run" / f"{name}.pid"
        self.log = directory / "log" / f"{name}.log"

    def pid(self) -> int | None:
        """Returns the PID of the running process."""
        return running(self.pid_file, self.directory)

    def start(self) -> bool:
        """Starts the process; returns false if it is running already."""
        if self.pid():
            return False
        self.log.parent.mkdir(exist_ok=True)
        self.pid_file.parent.mkdir(exist_ok=True)
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.directory,
            )
        self.pid_file.write_text(f"{process.pid}\n")
        return True

    def last_lines(self, count: int = 15) -> str:
        """Returns the end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:]) if self.log.exists() else ""


def running(pid_file: Path, directory: Path) -> int | None:
    """Returns the PID of a file if a process of this directory has it. PostgreSQL writes more lines after it."""
    try:
        pid = int(pid_file.read_text().splitlines()[0])
        process = Path(f"/proc/{pid}")
        # Empty for a moment while a process begins another program, and for one that has ended and was not waited for.
        while not (command_line := (process / "cmdline").read_bytes()):
            if (process / "stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX":
                return None
    except (OSError, ValueError, IndexError):
        return None
    return pid if os.fsencode(directory) in command_line else None


def stop(pid_files: list[Path], directory: Path, with_signal: signal.Signals = signal.SIGTERM) -> None:
    """Stops processes at the same time and waits for all of them."""
    waiting = {pid_file: pid for pid_file in pid_files if (pid := running(pid_file, directory))}
    for pid in waiting.values():
        os.kill(pid, with_signal)
        # A stopped process ends only after it continues.
        os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + STOP_TIMEOUT
    while waiting and time.monotonic() < deadline:
        waiting = {pid_file: pid for pid_file, pid in waiting.items() if running(pid_file, directory) == pid}
        time.sleep(0.05)
    for pid_file, pid in waiting.items():
        print(f"{pid_file.stem} did not end within {STOP_TIMEOUT} s and is killed", flush=True)
        os.kill(pid, signal.SIGKILL)


def wait_until(what: str, timeout: float, condition, processes: list[Process]) -> None:
    """Waits for a condition; fails with the log of a process that ends meanwhile."""
    deadline = time.monotonic() + timeout
    while not condition():
        for process in processes:
            if not process.pid():
                raise Failure(f"{process.name} ended; {process.log} says:\n{process.last_lines()}")
        if time.monotonic() > deadline:
            logs = ", ".join(str(process.log) for process in processes)
            raise Failure(f"{what}: not within {timeout:.0f} s; see {logs}")
        time.sleep(0.2)
