"""Every workload of the gallery through the synthesized state machine: its checked answer, on every back end."""

import hashlib
import json
import random
import struct
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from assemblies import synthesized
from hpc_commands import digits, key_total
from sfn_local.server import Connection, LocalServer
from states_endpoint import ended

from hpc.targets.client import local_config, local_session
from hpc.targets.synthesis import WITH_JOBS
from lambdas.testing import answer
from lambdas.workloads import mandelbrot, option_price

# Relative: the same kernel on another processor differs in the last digits of exp and log.
FLOAT_TOLERANCE = 1e-9
RUN_SECONDS = 120


class Stack:
    """The served stack, as any client of AWS sees it."""

    def __init__(self, connection: Connection, back_end: str) -> None:
        session = local_session(
            region=connection.region,
            access_key_id=connection.access_key_id,
            secret_access_key=connection.secret_access_key,
        )
        clients = {"endpoint_url": connection.endpoint_url, "config": local_config()}
        self.s3 = session.client("s3", **clients)
        self.bucket = connection.outputs["ResultsBucketName"]
        self._machine = connection.outputs["StateMachineArn"]
        self._back_end = back_end
        self._states = session.client("stepfunctions", **clients)

    def run(self, **execution_input: Any) -> dict[str, Any]:
        """Run to the end; returns what Sum returned."""
        execution = self._states.start_execution(
            stateMachineArn=self._machine,
            name=f"run-{uuid.uuid4().hex}",
            input=json.dumps({**execution_input, "back_end": self._back_end}),
        )
        described = ended(self._states, execution["executionArn"], within_seconds=RUN_SECONDS)
        assert described["status"] == "SUCCEEDED", described
        output: dict[str, Any] = json.loads(described["output"])
        assert (output["complete"], output["failed"], output["duplicates"]) == (True, 0, 0)
        return output

    def result(self, **execution_input: Any) -> Any:
        return json.loads(self.run(**execution_input)["result"])


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    home = tmp_path_factory.mktemp("home")
    with LocalServer(home, synthesized(WITH_JOBS)) as connection:
        yield connection


@pytest.fixture(scope="module", params=["lambda", "batch", "batch_callback"])
def stack(connection: Connection, request: pytest.FixtureRequest) -> Stack:
    return Stack(connection, request.param)


# A batch is a job of its own on AWS Batch: a few batches show the same as hundreds.
@pytest.mark.parametrize(("size", "batch_size"), [(16, 1), (90, 7), (200, 100), (200, 1000)])
def test_utf8_keys_gives_the_sum_of_the_recurrence(stack: Stack, size: int, batch_size: int) -> None:
    assert stack.run(size=size, batch_size=batch_size)["total_sum"] == digits(key_total(size))


@pytest.mark.parametrize(("size", "batch_size"), [(12, 1), (60, 9), (60, 1000)])
def test_squares_gives_its_closed_form(stack: Stack, size: int, batch_size: int) -> None:
    total = stack.run(size=size, batch_size=batch_size, workload="squares")["total_sum"]
    assert total == str((size - 1) * size * (2 * size - 1) // 6)


@pytest.mark.parametrize(("size", "ways"), [(1, 1), (8, 92), (10, 724)])
@pytest.mark.parametrize("batch_size", [40, 300])
def test_n_queens_gives_the_known_numbers(stack: Stack, size: int, ways: int, batch_size: int) -> None:
    assert stack.run(size=size, workload="n_queens", batch_size=batch_size)["total_sum"] == str(ways)


@pytest.mark.parametrize(("size", "ways"), [(12, 14_200), (13, 73_712), (14, 365_596)])
def test_n_queens_gives_the_known_numbers_of_large_boards(connection: Connection, size: int, ways: int) -> None:
    assert Stack(connection, "lambda").run(size=size, workload="n_queens", batch_size=25)["total_sum"] == str(ways)


@pytest.mark.parametrize("batch_size", [1, 4, 12])
def test_option_price_agrees_with_its_formula_and_with_this_process(stack: Stack, batch_size: int) -> None:
    params = {"strike": 105, "paths": 2_000, "seed": "gallery"}
    result = stack.result(size=12, workload="option_price", params=params, batch_size=batch_size)
    simulated, formula = result["geometric"]["simulated"], result["geometric"]["formula"]
    assert abs(simulated["mean"] - formula) < 4 * simulated["standard_error"]
    here = answer(option_price, size=12, params=params)
    assert result["price"]["mean"] == pytest.approx(here["price"]["mean"], rel=FLOAT_TOLERANCE)
    assert result["price"]["standard_error"] == pytest.approx(here["price"]["standard_error"], rel=1e-6)
    low, high = result["price"]["confidence_interval_95"]
    assert low < result["price"]["mean"] < high


@pytest.mark.parametrize("batch_size", [2, 5, 16])
def test_mandelbrot_gives_the_picture_as_a_file(stack: Stack, batch_size: int) -> None:
    params = {"tile": 32, "iterations": 300}
    output = stack.run(size=128, workload="mandelbrot", params=params, batch_size=batch_size)
    key = output["result_file"].removeprefix(f"s3://{stack.bucket}/")
    picture = stack.s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read()
    assert struct.unpack_from(">2I", picture, 16) == (128, 128)
    assert picture == answer(mandelbrot, size=128, params=params)


@pytest.mark.parametrize("batch_size", [1, 6, 100])
def test_s3_objects_counts_and_sums_up_what_was_uploaded(stack: Stack, batch_size: int) -> None:
    generator = random.Random(batch_size)
    contents = [generator.randbytes(generator.randrange(3_000)) for _ in range(10)]
    prefix = f"uploads/objects-{batch_size}"
    for number, content in enumerate(contents):
        stack.s3.put_object(Bucket=stack.bucket, Key=f"{prefix}/{number}", Body=content)
    result = stack.result(source=f"s3://{stack.bucket}/{prefix}/", workload="s3_objects", batch_size=batch_size)
    checksum = sum(int(hashlib.sha256(content).hexdigest(), 16) for content in contents) % 2**256
    assert result["checksum"] == f"{checksum:064x}"
    assert (result["objects"], result["bytes"]) == (10, sum(map(len, contents)))
