"""A certificate by ACME from Pebble: ordered, kept across a restart without Pebble, renewed while connections continue.

Pebble validates for real (TLS-ALPN-01, or HTTP-01 with an external account). Names resolve to this machine by pebble-challtestsrv, which answers DNS and nothing else.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

DOMAINS = ["push.example.test", "other.example.test"]
PATIENCE = 60
# Long enough to finish an order before its renewal is due, short enough to wait for a renewal.
SHORT_LIFE = 24

scratch = os.environ["WEBPUSH_DIRECTORY"]
trusted = os.environ["WEBPUSH_CA"]
wrong = 0


def check(name, holds, found=""):
    global wrong
    wrong += not holds
    print(f"ok {name}" if holds else f"WRONG {name}: {found}")


def free_ports(count):
    """Returns unused ports."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def eventually(what, look):
    """Calls `look` until it returns something, and returns that."""
    deadline = time.monotonic() + PATIENCE
    last = None
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except OSError as error:
            last = error
        time.sleep(0.1)
    raise SystemExit(f"WRONG {what} did not come within {PATIENCE} s ({last})")


class Running:
    """A program whose output goes to the log of the case; it ends when this does."""

    all = []

    def __init__(self, *command, **variables):
        self.log = open(os.environ["WEBPUSH_LOG"], "ab")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, env={**os.environ, **variables}, cwd=scratch
        )
        Running.all.append(self)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Pebble:
    """The authority, with a lifetime for certificates; its own HTTPS uses the certificate of the run."""

    def __init__(self, port, life, bound=None):
        """`bound` has the keys of external accounts by ID; with them, Pebble accepts no other account."""
        self.acme, self.management, self.http, dns, dns_management = free_ports(5)
        config = {
            "listenAddress": f"127.0.0.1:{self.acme}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": os.environ["WEBPUSH_CERTIFICATE"],
            "privateKey": os.environ["WEBPUSH_KEY"],
            "httpPort": self.http,
            "tlsPort": port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": bound is not None,
            "externalAccountMACKeys": bound or {},
            "certificateValidityPeriod": life,
        }
        path = os.path.join(scratch, f"pebble-{self.acme}.json")
        with open(path, "w") as file:
            json.dump({"pebble": config}, file)
        self.names = Running(
            "pebble-challtestsrv", "-http01", "", "-https01", "", "-tlsalpn01", "",
            "-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{dns_management}", "-defaultIPv6", "",
        )
        self.authority = Running(
            "pebble", "-config", path, "-dnsserver", f"127.0.0.1:{dns}", PEBBLE_VA_NOSLEEP="1",
        )
        for running in (self.names, self.authority):
            drain(running)
        self.directory = f"https://localhost:{self.acme}/dir"
        self.root = eventually("Pebble's root", lambda: self.get("/roots/0"))

    def get(self, path):
        context = ssl.create_default_context(cafile=trusted)
        with urllib.request.urlopen(f"https://localhost:{self.management}{path}", context=context) as answer:
            return answer.read().decode()

    def stop(self):
        self.authority.kill()
        self.names.kill()


def drain(running):
    """Output is read only to diagnose a failure."""
    import threading

    threading.Thread(target=lambda: shutil.copyfileobj(running.process.stdout, running.log), daemon=True).start()


class Server:
    def __init__(self, port, data, directory, *more):
        (self.admin,) = free_ports(1)
        self.port = port
        self.running = Running(
            os.environ["WEBPUSH_SERVER"], "--config", "/dev/null", "--host", "127.0.0.1", "--port", str(port),
            "--acme-domains", ",".join(DOMAINS), "--acme-contact", "mailto:ops@example.test",
            "--acme-directory", directory, "--acme-directory-ca-file", trusted,
            "--admin", f"127.0.0.1:{self.admin}", "--data-dir", data, *more,
        )
        line = self.running.process.stdout.readline().decode()
        self.origin = line.split(" serves ")[1].split(" ")[0] if " serves " in line else line
        drain(self.running)

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=PATIENCE)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def is_ready(self):
        return self.ask("/ready")[0] == 200

    def connect(self, root, name=DOMAINS[0], protocols=("http/1.1",)):
        """Fails unless the certificate is Pebble's and for that name."""
        context = ssl.create_default_context(cadata=root)
        context.set_alpn_protocols(list(protocols))
        stream = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        return context.wrap_socket(stream, server_hostname=name)

    def serial(self, root):
        with self.connect(root) as stream:
            return stream.getpeercert()["serialNumber"]


def request(stream, method, target, body=b"", **headers):
    """One request over a connection that stays open: status, headers, body."""
    path = target.removeprefix(f"https://{DOMAINS[0]}")
    lines = [f"{method} {path} HTTP/1.1", f"host: {DOMAINS[0]}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    stream.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    answer = http.client.HTTPResponse(stream, method=method)
    answer.begin()
    return answer.status, answer.headers, answer.read()


def a_message_arrives(stream):
    status, headers, _ = request(stream, "POST", "/subscribe")
    links = {link.split("rel=")[1].strip('"'): link[1:link.index(">")] for link in headers.get_all("link", [])
             for link in link.split(", ")}
    push = links.get("urn:ietf:params:push", "")
    check("push URLs begin with the first domain", push.startswith(f"https://{DOMAINS[0]}/"), (status, links))
    status, headers, _ = request(stream, "POST", push, b"hello", ttl="60")
    check("a message is accepted over the certificate", status == 201, status)
    status, _, body = request(stream, "GET", headers["location"])
    check("and is there", (status, body) == (200, b"hello"), (status, body))


def serves_with_a_certificate(server, pebble):
    eventually("the certificate", server.is_ready)
    for name in DOMAINS:
        with server.connect(pebble.root, name) as stream:
            names = [value for _, value in stream.getpeercert()["subjectAltName"]]
            check(f"the certificate for {name} names all domains", sorted(names) == sorted(DOMAINS), names)
    with server.connect(pebble.root) as stream:
        a_message_arrives(stream)
    try:
        server.connect(pebble.root, protocols=["acme-tls/1"]).close()
        check("no challenge gets a response after the order", False, "a handshake of TLS-ALPN-01 worked")
    except (ssl.SSLError, ConnectionError) as error:
        check("no challenge gets a response after the order", True, error)


def the_folder_is_private(data):
    found = {}
    for place, directories, files in os.walk(os.path.join(data, "acme")):
        found[place] = os.stat(place).st_mode & 0o777
        for file in files:
            found[file] = os.stat(os.path.join(place, file)).st_mode & 0o777
    modes = sorted(found.values())
    check("account and certificate are for their owner only", modes == [0o600, 0o600, 0o700, 0o700], found)


def issued_then_kept():
    (port,) = free_ports(1)
    data = os.path.join(scratch, "kept")
    pebble = Pebble(port, 90 * 86400)
    server = Server(port, data, pebble.directory)
    check("the default origin is the first domain", server.origin == f"https://{DOMAINS[0]}", server.origin)
    serves_with_a_certificate(server, pebble)
    the_folder_is_private(data)
    serial = server.serial(pebble.root)
    check("SIGTERM ends it well", server.running.stop() == 0)
    pebble.stop()
    server = Server(port, data, pebble.directory)
    eventually("readiness without an authority", server.is_ready)
    check("the certificate is kept over a restart", server.serial(pebble.root) == serial)
    server.running.stop()


def renewed():
    (port,) = free_ports(1)
    pebble = Pebble(port, SHORT_LIFE)
    server = Server(port, os.path.join(scratch, "renewed"), pebble.directory)
    eventually("the first certificate", server.is_ready)
    with server.connect(pebble.root) as before:
        first = before.getpeercert()["serialNumber"]
        second = eventually("a renewed certificate", lambda: (found := server.serial(pebble.root)) != first and found)
        check("it is replaced while the service runs", second != first)
        a_message_arrives(before)
    counted = server.ask("/metrics")[1]
    orders = {line.split(" ")[0]: float(line.split(" ")[1]) for line in counted.splitlines() if "acme_orders" in line
              and not line.startswith("#")}
    issued = orders.get('webpush_acme_orders_total{outcome="issued"}', 0)
    failed = orders.get('webpush_acme_orders_total{outcome="failed"}', 0)
    check("orders are counted", issued >= 2 and failed == 0, orders)
    server.running.stop()
    pebble.stop()


def refused():
    """The authority looks for the challenge on another port, where nothing listens."""
    port, elsewhere = free_ports(2)
    pebble = Pebble(elsewhere, 90 * 86400)
    server = Server(port, os.path.join(scratch, "refused"), pebble.directory)
    eventually("the end of the order", lambda: 'acme_orders_total{outcome="failed"} 1' in server.ask("/metrics")[1])
    status, body = server.ask("/ready")
    check("it is not ready without a certificate", status == 503 and "certificate" in body, (status, body))
    with open(os.environ["WEBPUSH_LOG"], errors="replace") as log:
        said = [line for line in log if "cannot obtain a certificate for" in line]
    words = [*DOMAINS, "tls-alpn-01 challenge", "Next attempt"]
    check("the log says what the authority said", len(said) == 1 and all(word in said[0] for word in words), said)
    check("SIGTERM ends it well all the same", server.running.stop() == 0)
    pebble.stop()


def http_and_external_account():
    """Pebble looks for TLS-ALPN-01 where nothing listens, so that only HTTP-01 can succeed."""
    port, elsewhere = free_ports(2)
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    pebble = Pebble(elsewhere, 90 * 86400, {"ours": key})
    file = os.path.join(scratch, "eab-key")
    with open(file, "w") as stream:
        stream.write(key + "\n")
    http_listen = f"127.0.0.1:{pebble.http}"
    server = Server(
        port, os.path.join(scratch, "http"), pebble.directory, "--acme-http-listen", http_listen,
        "--acme-eab-key-id", "ours", "--acme-eab-key-file", file,
    )
    eventually("the certificate by HTTP-01", server.is_ready)
    with server.connect(pebble.root) as stream:
        check("a certificate by HTTP-01 for an external account", stream.getpeercert() is not None)
    connection = http.client.HTTPConnection(http_listen, timeout=PATIENCE)
    connection.request("GET", "/errors")
    answer = connection.getresponse()
    found = (answer.status, answer.getheader("location"))
    check("other requests are redirected to HTTPS", found == (308, f"https://{DOMAINS[0]}/errors"), found)
    check("SIGTERM ends it well", server.running.stop() == 0)
    pebble.stop()


try:
    issued_then_kept()
    http_and_external_account()
    renewed()
    refused()
finally:
    for running in Running.all:
        if running.process.poll() is None:
            running.kill()
sys.exit(wrong > 0)
