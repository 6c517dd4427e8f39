"""After any failure or death of the runner, redrives until the run has succeeded lead to the exact result.

Every example is a run over processes of its own that crash, are killed and begun again; `make soak` is the same with
many items.  What it checks at each stop: nothing that was on disk is computed again, and nothing of it is lost.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import job_commands
import pytest
from assemblies import EXPRESS, PROJECT, synthesized
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from soaking import Figures, Plan, Soak

WORKLOAD = PROJECT / "benchmarks" / "soaked.py"
STATES = {"lambda": "Compute", "batch": "ComputeArrayJob", "batch_callback": "ComputeCallbackJob"}
KINDS = ("crash", "throttle", "timeout", "service_error")
# Shrinking an example takes minutes, and the failing one names its plan.
LAWS = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@st.composite
def plans(draw: st.DrawFn, back_end: str, speed: float) -> Plan:
    """A run of a few items, faults of a share of its attempts, and deaths of its first runners."""
    items, batch_size = draw(st.integers(8, 24)), draw(st.integers(1, 5))
    batch_count = -(-items // batch_size)
    state = STATES[back_end]
    kinds = KINDS + (("duplicate",) if back_end == "lambda" else ())
    shares = draw(st.dictionaries(st.sampled_from(kinds), st.integers(8, 25), min_size=2, max_size=3))
    rules = [f"{kind} {state} {share}%" for kind, share in sorted(shares.items())]
    if back_end == "lambda":
        rules += draw(
            st.lists(st.sampled_from(["crash Start", "timeout Sum", "s3_503 Sum 10%", "throttle Sum"]), max_size=2)
        )
    else:
        # One task submits all there is: a share of its few attempts would seldom be any.
        rules += draw(st.sampled_from(([f"duplicate {state}"], [])))
    deaths = draw(st.lists(st.integers(0, batch_count - 1), min_size=1, max_size=2))
    rules.append(f"seed={draw(st.integers(0, 10**6))}")
    item = " item={}" if back_end == "lambda" else ""
    killing = [[f"kill_runner {state}{item.format(death)}", *rules] for death in deaths]
    return Plan(
        items=items,
        batch_size=batch_size,
        back_end=back_end,
        tolerated_failure_percentage=draw(st.sampled_from([0, 100])) if back_end == "lambda" else 0,
        faults=["; ".join(each) for each in [*killing, rules]],
        most_at_once=items,
        speed=speed,
    )


def soaked(plan: Plan, assembly: Path) -> Figures:
    folder = Path(tempfile.mkdtemp(prefix="hpc-law-"))
    try:
        soak = Soak(plan, folder / "home", assembly, WORKLOAD)
        soak.run()
        return soak.figures
    finally:
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def no_settings_of_whoever_runs_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "HPC_"))]:
        monkeypatch.delenv(name)


@settings(LAWS, max_examples=4)
@given(plan=plans("lambda", 60))
def test_standard_children_are_redriven_to_the_exact_result(plan: Plan) -> None:
    soaked(plan, job_commands.assembly())


@settings(LAWS, max_examples=2)
@given(plan=plans("lambda", 60))
def test_express_children_are_redriven_to_the_exact_result(plan: Plan) -> None:
    soaked(plan, synthesized(EXPRESS))


@pytest.mark.parametrize("back_end", ["batch", "batch_callback"])
@settings(LAWS, max_examples=2)
@given(data=st.data())
def test_jobs_are_redriven_to_the_exact_result(back_end: str, data: Any) -> None:
    soaked(data.draw(plans(back_end, 30)), job_commands.assembly())
