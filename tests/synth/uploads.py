"""Objects that the CDK CLI uploads of a cloud assembly, to an account on loopback that takes every object."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

from synthesis import ROOT

CDK = ROOT / "node_modules/.bin/cdk"
CALLER = (
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::000000000000:user/nobody</Arn>"
    "<Account>000000000000</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
# What is asked for, by a part of the request: the caller, the version of the bootstrap stack, the bucket.
ANSWERS = {
    "GetCallerIdentity": (200, CALLER),
    "cdk-bootstrap": (200, '{"Parameter": {"Value": "30"}}'),
    "location": (200, "<LocationConstraint/>"),
    "encryption": (404, "<Error><Code>ServerSideEncryptionConfigurationNotFoundError</Code></Error>"),
    "list-type": (200, "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"),
}
NOTHING = (403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>")


@contextmanager
def _account(uploaded: dict[str, bytes]) -> Iterator[str]:
    """Serve the account; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.command == "PUT":
                uploaded[PurePosixPath(self.path.partition("?")[0]).name] = body
                status, text = 200, ""
            else:
                asked = self.path + body.decode()
                status, text = next((answer for part, answer in ANSWERS.items() if part in asked), NOTHING)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 - the names that they have there

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it has there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def uploads(project: Path, **settings: str) -> dict[str, bytes]:
    """Let the CDK CLI synthesize a project and publish its assets; return the objects by their keys."""
    uploaded: dict[str, bytes] = {}
    with _account(uploaded) as url:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "CDK_DISABLE_VERSION_CHECK": "1",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            # Bodies as they are, without a checksum behind them.
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        }
        command = [CDK, "publish-assets", "--all", "--unstable=publish-assets", "--app", f"{sys.executable} app.py"]
        context = [f"--context=hpc:{name}={value}" for name, value in settings.items()]
        done = subprocess.run(
            [*map(str, command), *context, "--no-notices"],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return uploaded
