"""The services under test, as programs with their configuration."""

import base64
import http.client
import json
import os
import subprocess
import threading
import time
from pathlib import Path

from cluster import UNLIMITED
from postgres import find_programs
from processes import Program, Stuck, psql, wait_until

# Ports may be the usual ones, because the suite has a network of its own.
PORT, ROUTER_PORT, ENDPOINT_PORT = 8080, 8081, 8082
REDIS_PORT, POSTGRES_PORT = 6379, 5432
# A program that ends by itself is started again after this time, as systemd and Docker would.
RESTART_SECONDS = 1.0
# Longest wait for a program that was asked to end, before it is killed.
STOP_SECONDS = 30.0


class Subject:
    """A service. Subclasses fill `stores` and `services`, the programs in the order of their start."""

    name, connect, push = "", f"127.0.0.1:{PORT}", f"127.0.0.1:{PORT}"
    # The user that owns the data.
    user = None

    def __init__(self, arguments, scratch, recorder):
        self.arguments, self.scratch, self.recorder = arguments, scratch, recorder
        self.data = None
        self.stores, self.services = [], []
        # Programs that should run.
        self.wanted, self.lock, self.is_ending = set(), threading.Lock(), threading.Event()
        self.supervisor = threading.Thread(target=self.supervise, daemon=True)

    @classmethod
    def lacks(cls, arguments):
        """Returns what is missing; `None` if the service can be started."""
        raise NotImplementedError

    def create(self, data):
        """Creates the programs, and the store in the directory `data`."""
        raise NotImplementedError

    @property
    def programs(self):
        return [*self.stores, *self.services]

    def program(self, name, argv, **options):
        return Program(name, argv, self.scratch / f"{name}.log", **options)

    def environment(self, program):
        """Returns variables for a program."""
        return {}

    def launch(self, program):
        program.start(**self.environment(program))
        self.wanted.add(program)

    def start(self):
        """Starts what does not run: services when the stores accept connections."""
        with self.lock:
            for program in self.stores:
                if not program.is_alive():
                    self.launch(program)
        self.wait_for_stores()
        with self.lock:
            for program in self.services:
                if not program.is_alive():
                    self.launch(program)
        if not self.supervisor.is_alive():
            self.supervisor.start()

    def wait_for_stores(self):
        pass

    def supervise(self):
        while not self.is_ending.wait(0.2):
            with self.lock:
                ended = [program for program in self.wanted if not program.is_alive()]
            for program in ended:
                self.recorder.record("suite", "ended", program=program.name, status=program.process.returncode)
            if ended and not self.is_ending.wait(RESTART_SECONDS):
                with self.lock:
                    for program in ended:
                        if program in self.wanted and not program.is_alive():
                            self.launch(program)

    def kill(self, programs):
        with self.lock:
            self.wanted -= set(programs)
            for program in programs:
                program.kill()

    def terminate(self):
        """Ends all programs in order: services first."""
        with self.lock:
            self.wanted.clear()
            for group in (self.services, self.stores):
                for program in group:
                    if program.is_alive():
                        program.send(self.stop_signal(program))
                for program in group:
                    try:
                        program.process.wait(STOP_SECONDS)
                    except subprocess.TimeoutExpired:
                        self.recorder.record("suite", "not-ended", program=program.name)
                        program.kill()

    def stop_signal(self, _):
        return 15

    def wait_until_ready(self):
        wait_until(self.is_ready, f"{self.name} is ready")

    def is_ready(self):
        return all(is_healthy(address) for address in {self.connect, self.push})

    def stop(self):
        self.is_ending.set()
        self.kill(self.programs)


def is_healthy(address):
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=2)
    try:
        connection.request("GET", "/__heartbeat__")
        response = connection.getresponse()
        # autopush-rs returns 200 even if its database does not respond.
        return response.status == 200 and b"ERROR" not in response.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.connect()
        return True
    except OSError:
        return False
    finally:
        connection.close()


class WebpushServer(Subject):
    name = "webpush-server"

    @classmethod
    def lacks(cls, arguments):
        return None if arguments.server and Path(arguments.server).is_file() else "--server PROGRAM"

    def create(self, data):
        address = f"127.0.0.1:{PORT}"
        argv = [self.arguments.server, "serve", "--port", PORT, "--data-dir", data / "data", "--admin", "off",
                "--origin", f"http://{address}", "--plaintext", *UNLIMITED]
        self.services = [self.program("webpush-server", argv)]


class Autopush(Subject):
    """autopush-rs; its store is that of a subclass."""

    push = f"127.0.0.1:{ENDPOINT_PORT}"
    dsn = ""

    @classmethod
    def lacks(cls, arguments):
        if not arguments.autopush:
            return "--autopush DIR"
        missing = [program for program in ("autoconnect", "autoendpoint") if not binary(arguments, program).is_file()]
        return f"{missing[0]} in {binary(arguments, missing[0]).parent}" if missing else None

    def create_services(self):
        # Keys of one run; 32 bytes each.
        crypto, auth = (base64.urlsafe_b64encode(os.urandom(32)).decode() for _ in range(2))
        self.variables = {
            "autoconnect": {
                "AUTOCONNECT__HOSTNAME": "127.0.0.1", "AUTOCONNECT__PORT": PORT,
                "AUTOCONNECT__ROUTER_HOSTNAME": "127.0.0.1", "AUTOCONNECT__ROUTER_PORT": ROUTER_PORT,
                "AUTOCONNECT__ENDPOINT_SCHEME": "http", "AUTOCONNECT__ENDPOINT_HOSTNAME": "127.0.0.1",
                "AUTOCONNECT__ENDPOINT_PORT": ENDPOINT_PORT, "AUTOCONNECT__CRYPTO_KEY": f"[{crypto}]",
                "AUTOCONNECT__DB_DSN": self.dsn, "AUTOCONNECT__HUMAN_LOGS": "true",
                "AUTOCONNECT__DISABLE_SENTRY": "true", "RUST_LOG": "warn",
            },
            "autoendpoint": {
                "AUTOEND__HOST": "127.0.0.1", "AUTOEND__PORT": ENDPOINT_PORT,
                "AUTOEND__ENDPOINT_URL": f"http://127.0.0.1:{ENDPOINT_PORT}", "AUTOEND__CRYPTO_KEYS": f"[{crypto}]",
                "AUTOEND__AUTH_KEYS": json.dumps([auth]), "AUTOEND__DB_DSN": self.dsn, "AUTOEND__HUMAN_LOGS": "true",
                "AUTOEND__DISABLE_SENTRY": "true", "RUST_LOG": "warn",
            },
        }
        self.services = [self.program(name, [binary(self.arguments, name)]) for name in self.variables]

    def environment(self, program):
        return {name: str(value) for name, value in self.variables.get(program.name, {}).items()}

    def is_ready(self):
        return accepts(ROUTER_PORT) and super().is_ready()


def binary(arguments, name):
    return Path(arguments.autopush) / "target/release" / name


class AutopushRedis(Autopush):
    name = "autopush-rs, Redis"
    dsn = f"redis://127.0.0.1:{REDIS_PORT}"
    # As `redis-server` starts without a file, which upstream's docker-compose-redis.yml does: snapshots only.
    options = []

    def create(self, data):
        argv = ["redis-server", "--bind", "127.0.0.1", "--port", REDIS_PORT, "--dir", data, *self.options]
        self.stores = [self.program("redis", argv)]
        self.create_services()

    def wait_for_stores(self):
        wait_until(self.is_loaded, "Redis accepts connections")

    def is_loaded(self):
        done = subprocess.run(["redis-cli", "-p", str(REDIS_PORT), "ping"], capture_output=True, text=True, timeout=5,
                              check=False)
        return done.stdout.strip() == "PONG"


class AutopushRedisEverysec(AutopushRedis):
    name = "autopush-rs, Redis AOF everysec"
    options = ["--appendonly", "yes"]


class AutopushRedisAlways(AutopushRedis):
    name = "autopush-rs, Redis AOF always"
    options = ["--appendonly", "yes", "--appendfsync", "always"]


class AutopushPostgres(Autopush):
    name = "autopush-rs, PostgreSQL"
    dsn = f"postgres://postgres@127.0.0.1:{POSTGRES_PORT}/postgres"
    user = "postgres"

    @classmethod
    def lacks(cls, arguments):
        return super().lacks(arguments) or (None if find_programs() else "PostgreSQL (Debian: postgresql)")

    def create(self, data):
        programs, directory = find_programs(), data / "data"
        server = self.program("postgres", [programs / "postgres", "-D", directory, "-p", POSTGRES_PORT,
                                           "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
                              user=self.user)
        # Small segments of the write-ahead log, so that the store fits into the small volume.
        command = server.command([programs / "initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8",
                                  "--locale=C", "--wal-segsize=1", "--no-instructions", "--pgdata", directory])
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd="/")
        if done.returncode:
            raise Stuck(f"initdb: {done.stderr}")
        self.stores = [server]
        server.start()
        self.wait_for_stores()
        [schema] = sorted((Path(self.arguments.autopush) / "migrations").glob("*initial_schema.sql"))
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.dsn, "-f", schema],
                              capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise Stuck(f"psql: {done.stderr}")
        self.wanted.add(server)
        self.create_services()

    def wait_for_stores(self):
        wait_until(lambda: psql(self.dsn, "SELECT 1") == "1", "PostgreSQL accepts connections")

    def stop_signal(self, program):
        # Fast shutdown, as Debian's unit does; on SIGTERM it would wait for its clients.
        return 2 if program.name == "postgres" else 15


SUBJECTS = {
    "webpush-server": WebpushServer,
    "autopush-rs": AutopushRedis,
    "autopush-rs-everysec": AutopushRedisEverysec,
    "autopush-rs-always": AutopushRedisAlways,
    "autopush-rs-postgres": AutopushPostgres,
}
