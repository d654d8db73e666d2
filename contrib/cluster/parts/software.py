"""Programs that the cluster consists of, and the user that runs them."""

import os
import pwd
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from .failure import Failure

REPOSITORY = Path(__file__).resolve().parents[3]
#: `synchronous_mode: quorum` came with Patroni 4.
PATRONI = ["patroni[etcd3]>=4,<5", "psycopg[binary]>=3"]
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")


def find(name: str) -> str | None:
    """Returns the path of a program, if it is installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def check(programs: dict[str, str]) -> None:
    """Fails with the Debian packages of programs that are missing, and of PostgreSQL and Python's `venv`."""
    missing = {package for name, package in programs.items() if not find(name)}
    if not postgres_programs():
        missing.add("postgresql")
    if not find_spec("ensurepip"):
        missing.add("python3-venv")
    if missing:
        raise Failure(f"programs are missing: install them with `apt-get install {' '.join(sorted(missing))}`")


def postgres_programs() -> Path | None:
    """Returns the directory with the programs of the newest PostgreSQL."""
    versions = [path for path in DEBIAN_POSTGRES.glob("[0-9]*/bin") if (path / "initdb").exists()]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name))
    initdb = find("initdb")
    return Path(initdb).parent if initdb else None


def server(given: str | None) -> str:
    """Returns the server to run: the given one, the newest build of this repository, or an installed one."""
    if given:
        return str(Path(given).resolve())
    builds = [REPOSITORY / "target" / profile / "webpush-server" for profile in ("dist", "release", "debug")]
    builds = [path for path in builds if path.exists()]
    if builds:
        return str(max(builds, key=lambda path: path.stat().st_mtime))
    path = shutil.which("webpush-server")
    if not path:
        raise Failure("webpush-server is missing: build it with `cargo build --release`, or pass --server PATH")
    return path


class User:
    """The user of PostgreSQL and etcd: the current one, or postgres for root, because PostgreSQL refuses root."""

    def __init__(self) -> None:
        self.account = None
        if os.geteuid() == 0:
            try:
                self.account = pwd.getpwnam("postgres")
            except KeyError:
                raise Failure(
                    "there is no user postgres: install PostgreSQL with `apt-get install postgresql`"
                ) from None

    def command(self, *command: str) -> list[str]:
        """Returns a command line that runs as the user."""
        if not self.account:
            return list(command)
        ids = [f"--reuid={self.account.pw_uid}", f"--regid={self.account.pw_gid}"]
        return ["setpriv", *ids, "--init-groups", "--", *command]

    def succeeds(self, *command: str) -> bool:
        # setpriv itself still finds programs with the capabilities of root; env does not.
        done = subprocess.run(self.command("env", *command), stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.returncode == 0

    def create_directory(self, path: Path) -> None:
        """Creates a directory that only the user can read."""
        if not path.exists():
            path.mkdir(mode=0o700)
            if self.account:
                os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def check_access(self, directory: Path) -> None:
        if not self.succeeds("test", "-x", str(directory)):
            raise Failure(
                f"the user postgres cannot enter {directory}: choose another --directory, such as /var/tmp/cluster"
            )


def install_patroni(directory: Path, user: User) -> None:
    """Installs Patroni from PyPI into a virtual environment, once."""
    environment = directory / "venv"
    if (environment / "bin" / "patroni").exists():
        return
    print("installing Patroni from PyPI", file=sys.stderr, flush=True)
    shutil.rmtree(environment, ignore_errors=True)
    candidates = [sys.executable, "/usr/bin/python3"]
    # The interpreter of a home directory cannot be run by another user, and Debian's needs a package for `venv`.
    usable = [python for python in candidates if user.succeeds(python, "-c", "import ensurepip, venv")]
    if not usable:
        raise Failure("Python cannot create virtual environments: `apt-get install python3-venv`")
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([usable[0], "-m", "venv", str(environment)], [*pip, *PATRONI]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(environment, ignore_errors=True)
            raise Failure(f"cannot install Patroni: {done.stderr.strip()}")


def version(path: str) -> str:
    """Returns the version that a program prints."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return found[0] if found else "unknown"
