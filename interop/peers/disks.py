"""Where a subject keeps its data: a directory, a small volume that can be filled, or a disk whose power can be cut."""

import contextlib
import os
import pwd
import subprocess
from pathlib import Path

from processes import Stuck, wait_until

# Of the small volume: PostgreSQL needs most, about 50 MB when it is empty.
VOLUME_BYTES = 256 << 20
# Longest wait for a power cut: what survives is copied in memory.
CUT_PATIENCE = 60.0


class Directory:
    """The disk of this machine."""

    def __init__(self, path, user):
        self.path = path
        path.mkdir()
        os.chown(path, *owner(user))

    def remove(self):
        pass


class Volume(Directory):
    """A small file system in memory."""

    def __init__(self, path, user):
        super().__init__(path, user)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={VOLUME_BYTES},mode=0755", "webpush-peers", path],
                       check=True)
        os.chown(path, *owner(user))
        self.filler = path / "filler"

    def fill(self):
        """Leaves no space. Call it again, because programs remove files as well."""
        with contextlib.suppress(OSError), open(self.filler, "ab", buffering=0) as file:
            while file.write(bytes(1 << 16)):
                pass
        with contextlib.suppress(OSError), open(self.filler, "ab", buffering=0) as file:
            while file.write(bytes(1 << 12)):
                pass

    def free(self):
        self.filler.unlink()

    def remove(self):
        subprocess.run(["umount", "-l", self.path], check=False)


class PowerCutDisk(Directory):
    """A file system that loses what was not synced: `webpush-powercut mount`."""

    def __init__(self, path, user, program):
        super().__init__(path, user)
        command = ["setpriv", "--pdeathsig", "KILL", program, "mount", path]
        self.process = subprocess.Popen([*command, "--owner", ":".join(map(str, owner(user)))],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.wait_for("mounted")

    def wait_for(self, line):
        if (heard := self.process.stdout.readline().strip()) != line:
            raise Stuck(f"webpush-powercut wrote {heard!r}, not {line!r}")

    def cut(self):
        """Cuts the power. All programs that use the disk must have been killed."""
        # PostgreSQL's processes end a moment after the one that started them.
        wait_until(lambda: not is_used(self.path), "no process uses the disk")
        self.process.stdin.write("cut\n")
        self.process.stdin.flush()
        self.wait_for("cut")

    def remove(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(CUT_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        subprocess.run(["umount", "-l", self.path], check=False, stderr=subprocess.DEVNULL)


def is_used(directory):
    """Returns true if a process has a file or its working directory below a directory."""
    prefix = f"{directory}/"
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end meanwhile.
        with contextlib.suppress(OSError):
            for link in (process / "cwd", *(process / "fd").iterdir()):
                with contextlib.suppress(OSError):
                    if f"{os.readlink(link)}/".startswith(prefix):
                        return True
    return False


def owner(user):
    """Returns the numbers of a user and its group; those of root without a user."""
    entry = pwd.getpwnam(user or "root")
    return entry.pw_uid, entry.pw_gid
