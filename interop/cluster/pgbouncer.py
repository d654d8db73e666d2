"""PgBouncer in session mode, which follows the primary because the suite tells it."""

import shutil
import signal

from processes import Program

SETTINGS = """
[databases]
* = host={primary.host} port={primary.port} user=postgres
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = session
default_pool_size = 60
max_client_conn = 200
server_connect_timeout = 3
server_login_retry = 1
ignore_startup_parameters = extra_float_digits,options
"""


class PgBouncer(Program):
    def __init__(self, directory, host, port, primary, user, **options):
        directory.mkdir()
        if user:
            shutil.chown(directory, user, user)
        self.file = directory / "pgbouncer.ini"
        super().__init__("pgbouncer", ["pgbouncer", self.file], directory.with_suffix(".log"), user=user, **options)
        self.host, self.port = host, port
        self.write(primary)
        self.start()

    def write(self, primary):
        self.file.write_text(SETTINGS.format(primary=primary, host=self.host, port=self.port))

    def follow(self, primary):
        """Connects to another primary from now on."""
        self.write(primary)
        if self.is_alive():
            self.send(signal.SIGHUP)
