"""`emma serve` as processes: what it says, who answers, a worker that dies, publications swapped, and a clean end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from emma_platform.cli import main
from emma_platform_tests.web import slow_app
from emma_platform_tests.web.publications import PublishedHome

PATIENCE_SECONDS = 120
START = """
import sys
from pathlib import Path
from emma_platform.settings import Settings
from emma_platform.web.serve import serve
if __name__ == "__main__":
    factory = "emma_platform_tests.web.slow_app:make"
    certificate = Path(sys.argv[3]) if sys.argv[3:] else None
    settings = Settings(home=Path(sys.argv[1]))
    serve(settings, host="127.0.0.1", port=int(sys.argv[2]), workers=2, certificate=certificate, factory=factory)
"""


def until(what: str, answer: Callable[[], Any]) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := answer():
            return found
        time.sleep(0.2)
    raise AssertionError(f"never {what}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Served:
    """The command, running on a home; over TLS where it is given a certificate."""

    def __init__(self, home: PublishedHome, folder: Path, certificate: Path | None = None) -> None:
        self.home, self.port, self.certificate = home, free_port(), certificate
        self.output = folder / "output.txt"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("EMMA_", "DAGSTER_"))}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, str(home.settings.home), str(self.port), *filter(None, [certificate])],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=kept | {"EMMA_REQUEST_LOG": str(folder / "requests.log")},
                start_new_session=True,
            )
        until("ready", lambda: "Ready" in self.said() or self.process.poll() is not None)

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def get(self, path: str) -> tuple[int, bytes]:
        """The answer, over a connection of its own."""
        connection = self._connection()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self.certificate is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        trusting = ssl.create_default_context(cafile=self.certificate)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS, context=trusting)

    def read(self) -> dict[str, Any]:
        status, body = self.get("/read")
        assert status == 200, body
        found: dict[str, Any] = json.loads(body)
        return found

    def workers(self) -> set[int]:
        """The processes that answer."""
        listed = subprocess.run(
            ["ps", "-ww", "-o", "pid=", "-o", "args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        return {int(line.split()[0]) for line in listed.stdout.splitlines() if "spawn_main" in line}


def certified(file: Path) -> Path:
    """A certificate of this machine's address that it signed itself, and its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(pem) + secret)
    return file


@pytest.fixture(params=["http"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """Over plain HTTP; over TLS where a test asks for `https`."""
    home = PublishedHome(tmp_path / "home")
    home.publish(0)
    running = Served(home, tmp_path, certified(tmp_path / "server.pem") if request.param == "https" else None)
    yield running
    if running.process.poll() is None:
        os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()


def test_publications_are_swapped_a_worker_dies_and_it_ends_without_a_dropped_request(served: Served) -> None:
    address = f"http://127.0.0.1:{served.port}"
    nobody = "Nobody can sign in yet: `emma user add NAME --role owner` makes the first user."
    assert served.said().splitlines() == [nobody, f"Starting on {address} ...", f"Ready: {address}", "Ctrl-C stops."]

    # Publications come and go while others read; only two are kept, so files go from under open readers.
    seen, mixed, stop = Counter[str](), list[object](), threading.Event()
    revenues: dict[str, set[str]] = {}

    def hammer() -> None:
        while not stop.is_set():
            found = served.read()
            if len(found["ids"]) != 1 or len(set(found["revenue"])) != 1:
                mixed.append(found)
            (one,) = found["ids"]
            seen[one] += 1
            revenues.setdefault(one.partition("-")[0], set()).update(found["revenue"])
            time.sleep(0.01)  # leaves the processor to the others

    failures: list[threading.ExceptHookArgs] = []
    threading.excepthook, before = failures.append, threading.excepthook
    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    until("read", lambda: len(seen) == 1)
    for swap in range(1, 5):
        newest = served.home.publish(swap % 2)
        until("read", lambda newest=newest: newest.id in seen)
    stop.set()
    for thread in threads:
        thread.join()
    threading.excepthook = before
    assert failures == []
    assert mixed == []
    assert len(seen) == 5
    assert [len(found) for found in revenues.values()] == [1, 1]
    assert revenues["p0"] != revenues["p1"]

    # Both workers answer, and whichever is asked adds up what both counted.
    workers = served.workers()
    assert len(workers) == 2
    until("answered by both", lambda: {served.read()["worker"] for _ in range(10)} == workers)
    assert counted(served) > sum(seen.values())

    victim = min(workers)
    os.kill(victim, signal.SIGKILL)
    until("replaced", lambda: len(served.workers() - {victim}) == 2)
    until("answered by the new", lambda: served.read()["worker"] not in workers)
    assert counted(served) > sum(seen.values()), "what a dead worker counted stays counted"

    # A request that is open when the end comes is answered.
    answers: list[tuple[int, bytes]] = []
    asking = threading.Thread(target=lambda: answers.append(served.get("/slow")))
    asking.start()
    until("asked", (served.home.settings.home / slow_app.WAITING).exists)
    served.process.send_signal(signal.SIGTERM)
    until("told to end", lambda: "Finishing open requests" in served.said())
    (served.home.settings.home / slow_app.GO_ON).touch()
    asking.join()
    assert answers == [(200, b'{"finished":true}')]
    assert served.process.wait(PATIENCE_SECONDS) == 0
    assert served.said().splitlines()[-1] == "Stopped."


def counted(served: Served) -> float:
    """How many requests of one route all workers counted."""
    _, text = served.get("/metrics")
    start = 'emma_http_requests_total{method="GET",route="/read",status="200"} '
    (line,) = (line for line in text.decode().splitlines() if line.startswith(start))
    return float(line.removeprefix(start))


@pytest.mark.parametrize("served", ["https"], indirect=True)
def test_it_answers_over_tls_and_its_workers_end_when_their_supervisor_is_killed(served: Served) -> None:
    assert f"Ready: https://127.0.0.1:{served.port}" in served.said()
    assert len(served.read()["ids"]) == 1
    workers = [psutil.Process(pid) for pid in served.workers()]
    served.process.kill()
    served.process.wait()
    gone, alive = psutil.wait_procs(workers, PATIENCE_SECONDS)
    assert alive == []
    assert len(gone) == 2


def test_what_cannot_be_served_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(main, ["serve", "--home", str(tmp_path), "--port", port])
    assert done.exit_code == 1
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in " ".join(done.stderr.split())
    assert "choose another --port" in " ".join(done.stderr.split())
    done = CliRunner().invoke(main, ["serve", "--home", str(tmp_path), "--tls-cert", str(tmp_path / "no.pem")])
    assert done.exit_code == 1
    assert "check --tls-cert and --tls-key" in " ".join(done.stderr.split())
    done = CliRunner().invoke(main, ["serve", "--home", str(tmp_path), "--tls-key", str(tmp_path / "no.pem")])
    assert done.exit_code == 2
    (tmp_path / "key").write_text("short")
    key = {"EMMA_SECRETS_KEY_FILE": str(tmp_path / "key")}
    done = CliRunner().invoke(main, ["serve", "--home", str(tmp_path), "--port", "0"], env=key)
    assert done.exit_code == 1
    assert "openssl rand -base64 32" in " ".join(done.stderr.split())
    hashes = {"EMMA_BREACHED_PASSWORDS_FILE": str(tmp_path / "key")}
    done = CliRunner().invoke(main, ["serve", "--home", str(tmp_path), "--port", "0"], env=hashes)
    assert done.exit_code == 1
    assert "Pwned Passwords downloader" in " ".join(done.stderr.split())
