"""Packages of workloads are resolved on their own, and fetched under the certificates that the machine trusts."""

import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hpc_stack import packages
from hpc_stack.packages import REQUIREMENTS, PackagesError, agreeing_constraints, environment, install, read_pins

PROJECT = Path(__file__).parents[3]
CONSTRAINTS = """\
python-dateutil==2.9.0.post0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
Six==1.17.0 ; python_version < "4" \\
    --hash=sha256:cc
numpy==2.4.6 ; python_version < "3.12"
numpy==2.5.0 ; python_version >= "3.12"
"""


@pytest.fixture
def constraints(tmp_path: Path) -> Path:
    file = tmp_path / "constraints.txt"
    file.write_text(CONSTRAINTS)
    return file


def test_pins_are_read_behind_hashes(constraints: Path) -> None:
    assert read_pins(constraints) == {
        ("python-dateutil", "2.9.0.post0"),
        ("six", "1.17.0"),
        ("numpy", "2.4.6"),
        ("numpy", "2.5.0"),
    }


@pytest.mark.parametrize(
    ("requirements", "dropped"),
    [
        ({}, []),
        ({"python-dateutil": "2.9.0.post0", "numpy": "2.5.0"}, []),
        ({"python-dateutil": "4.0.0"}, ["python-dateutil", "sha256:aa", "sha256:bb"]),
        ({"six": "1.16.0", "numpy": "1.0"}, ["Six", "sha256:cc", "numpy"]),
    ],
)
def test_constraint_that_a_requirement_overrules_is_left_out(
    constraints: Path, requirements: dict[str, str], dropped: list[str]
) -> None:
    kept = [line for line in CONSTRAINTS.splitlines() if not any(word in line for word in dropped)]
    assert agreeing_constraints(constraints, requirements).splitlines() == kept


def test_own_constraints_are_all_read() -> None:
    file = PROJECT / "constraints.txt"
    assert agreeing_constraints(file, {}).splitlines() == [
        line for line in file.read_text().splitlines() if line.strip() and not line.startswith("#")
    ]


def test_uv_goes_by_the_certificates_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_SYSTEM_CERTS", raising=False)
    monkeypatch.setattr(packages, "CERTIFICATE_FILES", (str(tmp_path / "missing"),))
    assert "UV_SYSTEM_CERTS" not in environment()
    (tmp_path / "store.crt").touch()
    monkeypatch.setattr(packages, "CERTIFICATE_FILES", (str(tmp_path / "missing"), str(tmp_path / "store.crt")))
    assert environment()["UV_SYSTEM_CERTS"] == "true"
    monkeypatch.setenv("UV_SYSTEM_CERTS", "false")
    assert environment()["UV_SYSTEM_CERTS"] == "false"


class Registry(BaseHTTPRequestHandler):
    """A registry that has no package."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it has there
        pass


@contextmanager
def registry(certificate: Path, key: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}/simple"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_registry_with_a_certificate_of_its_own_is_named_and_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "own.crt", tmp_path / "own.key"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-addext", "basicConstraints=critical,CA:FALSE", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    (tmp_path / REQUIREMENTS).parent.mkdir()
    (tmp_path / REQUIREMENTS).write_text("a-package==1.0\n")
    for name in [
        name for name in os.environ if name.startswith(("SSL_CERT", "UV_", "PIP_")) or name.endswith("_proxy")
    ]:
        monkeypatch.delenv(name)
    with registry(certificate, key) as index:
        arguments = ["--target", str(tmp_path / "target"), "--default-index", index, "--no-cache"]
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        with pytest.raises(PackagesError, match="SSL_CERT_FILE"):
            install(tmp_path, arguments)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with pytest.raises(PackagesError, match="a-package was not found") as refused:
            install(tmp_path, arguments)
        assert "SSL_CERT_FILE" not in str(refused.value)
