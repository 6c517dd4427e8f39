"""Puts the services of one home together: objects, functions, state machines, and the endpoint that serves them."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TypeVar

from sfn_local.arns import Account
from sfn_local.assembly import read as cloud_assembly
from sfn_local.assembly.resources.state_machines import StateMachine
from sfn_local.assembly.stack_keys import check_stack_keys
from sfn_local.assembly.stack_roles import check_stack_roles
from sfn_local.batch.archive import JobArchive
from sfn_local.batch.job_faults import JobTrials
from sfn_local.batch.jobs import Job
from sfn_local.batch.service import BatchService
from sfn_local.clock import Clock
from sfn_local.endpoint.http_api import HttpApi
from sfn_local.endpoint.key_pairs import KeyPairs
from sfn_local.endpoint.sigv4 import Credential
from sfn_local.eventbridge.rules import EventBus, Rule
from sfn_local.eventbridge.status_events import execution_events, job_events
from sfn_local.execution.integrations import Integrations
from sfn_local.faults.injector import FaultInjector, outside
from sfn_local.faults.trials import ProcessKeys
from sfn_local.iam.access import Access, OnDecision, Policies
from sfn_local.iam.sessions import job_principal
from sfn_local.integrations.lambda_invoke import FunctionTask, InvokeTask
from sfn_local.lambda_runtime.function import Function
from sfn_local.lambda_runtime.runtime import LambdaRuntime
from sfn_local.lambda_runtime.worker_parent import LOGS
from sfn_local.loopback import LoopbackServer
from sfn_local.machines.registry import Machines
from sfn_local.maps.distributed_map import MapServices
from sfn_local.maps.map_run import MapRuns
from sfn_local.object_store import ObjectStore
from sfn_local.services import Parts, Served
from sfn_local.services import serve as serve_services
from sfn_local.storage.map_run_store import MapRunStore
from sfn_local.storage.store import Store

Changed = TypeVar("Changed")

# A thread that computes keeps the event loop waiting for so long each time that the loop has waited for anything.
SWITCH_SECONDS = 0.001

STOPPED_CAUSE = "the local server was stopped"

# The executions of a home.
EXECUTIONS = "executions.sqlite"


@dataclass(eq=False)
class Settings:
    """Settings of a server: of `sfn_local.server.LocalServer`, which inherits them, and of the engine behind it.

    Attributes
    ----------
    home : Path
        Folder of everything that outlives the server; made if missing.
    assembly : Path or None
        A cloud assembly (``cdk.out``), or None to serve what the home holds without a stack.
    environment : mapping
        Variables that every function and job has, beside those of the assembly.
    worker_count : int
        Most Lambda workers that compute at once; the number of processors by default.
    port : int
        Port of the endpoint; 0 for any that is free.
    faults : FaultInjector or None
        Makes attempts at tasks fail; the caller may look at its counts meanwhile.
    clock : Clock or None
        A faster clock, for state machines that wait long.
    is_short_lived : bool
        Whether the server will end in a moment.  It then starts no workers in advance, and other commands wait for its
        end instead of attaching.
    objects : Path or None
        Folder of the objects, if ``home`` is a copy made by `sfn_local.server.copy_state`.
    on_decision : callable or None
        Called with every decision about what a role may do, in the server's thread.
    limits_memory : bool
        Whether a function ends that uses more than its memory; False to see how much it needs.
    account : Account
        Account and Region in ARNs.
    """

    home: Path
    assembly: Path | None
    _: KW_ONLY
    environment: Mapping[str, str] = field(default_factory=dict)
    worker_count: int = field(default_factory=lambda: os.cpu_count() or 1)
    port: int = 0
    faults: FaultInjector | None = None
    clock: Clock | None = None
    is_short_lived: bool = False
    objects: Path | None = None
    on_decision: OnDecision | None = None
    limits_memory: bool = True
    account: Account = field(default_factory=Account)


@dataclass(frozen=True, slots=True)
class Running:
    """An engine that serves."""

    endpoint_url: str
    outputs: Mapping[str, str]
    machines: Machines
    not_made: Mapping[str, int] = field(default_factory=dict)


@contextlib.asynccontextmanager
async def serve(settings: Settings, credentials: Mapping[str, Credential]) -> AsyncIterator[Running]:
    """Serve until the context ends; then running executions are aborted and every process is gone.

    Parameters
    ----------
    credentials : mapping
        By access key id: who may call the endpoint.

    Raises
    ------
    AssemblyError, InvalidDefinition
        If the assembly holds something that can't run here.
    FaultSpecError
        If the faults are for something that the assembly has not.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    deployed = cloud_assembly.load(settings.assembly, settings.account) if settings.assembly else None
    if deployed is not None and settings.faults is not None:
        settings.faults.check(json.loads(machine.definition) for machine in deployed.all(StateMachine))
    access = Access(deployed.policies if deployed is not None else Policies(), settings.on_decision)
    key_pairs = KeyPairs(credentials)
    async with contextlib.AsyncExitStack() as stack:
        endpoint = LoopbackServer(port=settings.port)
        stack.push_async_callback(endpoint.stop)
        endpoint_url = f"http://{endpoint.address}"
        worker_environment = _worker_environment(settings, endpoint_url)
        keys = ProcessKeys(key_pairs.add, key_pairs.remove)
        jobs = JobTrials(keys) if settings.faults else None
        runtime = LambdaRuntime(
            worker_count=settings.worker_count,
            log_folder=settings.home / LOGS,
            base_environment=worker_environment,
            keys=keys if settings.faults else None,
            own_environment=key_pairs.environment,
            limits_memory=settings.limits_memory,
        )
        if settings.faults is not None:
            stack.enter_context(settings.faults.logged(settings.home / LOGS / "faults.jsonl"))
        await runtime.start()
        if not settings.is_short_lived:
            runtime.warm_up()
        stack.push_async_callback(runtime.stop)
        objects = stack.enter_context(
            contextlib.closing(ObjectStore(settings.objects or settings.home / "s3", state=settings.home / "s3"))
        )
        store = stack.enter_context(contextlib.closing(Store(settings.home / EXECUTIONS)))
        clock = settings.clock or Clock()
        bus = EventBus(runtime, settings.account, clock, access)
        batch = BatchService(
            account=settings.account,
            clock=clock,
            slots=settings.worker_count,
            log_folder=settings.home / LOGS,
            base_environment=worker_environment,
            on_change=_first(jobs.on_change if jobs else None, job_events(bus, settings.account)),
            archive=JobArchive(store),
            own_environment=_job_environment(key_pairs, jobs),
        )
        if jobs is not None:
            jobs.scheduler = batch.scheduler
        stack.push_async_callback(batch.stop)
        machines, services = compose(
            account=settings.account,
            clock=clock,
            runtime=runtime,
            objects=objects,
            store=store,
            batch=batch,
            faults=settings.faults,
            access=access,
        )
        stack.callback(machines.close)
        machines.executions.on_status = _first(None, execution_events(bus, machines.why_not_redrivable))
        machines.abort_orphans()
        machines.load()
        if deployed is not None:
            check_stack_roles(deployed, access, settings.account)
            check_stack_keys(deployed, access, settings.account)
            bus.add(deployed.all(Rule))
            for function in deployed.all(Function):
                runtime.register(function)
            for served in services.values():
                if served.deploy is not None:
                    await served.deploy(deployed)
        stack.push_async_callback(machines.executions.stop_all, STOPPED_CAUSE)
        stack.push_async_callback(bus.close)
        await asyncio.wrap_future(store.journal.flush())
        apis = {name: served.api for name, served in services.items()}
        endpoint.start(HttpApi(apis, key_pairs.credentials, on_request=keys.on_request))
        stack.push_async_callback(endpoint.stop)  # before what answers its requests is closed
        yield Running(
            endpoint_url,
            deployed.outputs if deployed is not None else {},
            machines,
            deployed.not_made_by_type() if deployed is not None else {},
        )


def _worker_environment(settings: Settings, endpoint_url: str) -> dict[str, str]:
    """Everything a worker's AWS clients look at, so that none of them ever finds the user's own account."""
    return {
        **settings.environment,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": settings.account.region,
        "AWS_DEFAULT_REGION": settings.account.region,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _job_environment(key_pairs: KeyPairs, trials: JobTrials | None) -> Callable[[Job], Mapping[str, str]]:
    """Return what gives each job the key pair of its role; under a rehearsal each attempt has one of its own."""

    def environment(job: Job) -> Mapping[str, str]:
        own = key_pairs.environment(job_principal(job.request.definition.role_arn))
        return {**own, **(trials.environment(job) if trials is not None else {})}

    return environment


def _first(noted: Callable[[Changed], None] | None, publish: Callable[[Changed], None]) -> Callable[[Changed], None]:
    """Publish a change after noting it; functions that an event calls belong to no attempt at a state."""

    def on_change(changed: Changed) -> None:
        if noted is not None:
            noted(changed)
        with outside():
            publish(changed)

    return on_change


def compose(
    *,
    account: Account,
    clock: Clock,
    runtime: LambdaRuntime,
    objects: ObjectStore,
    store: Store,
    batch: BatchService | None = None,
    faults: FaultInjector | None = None,
    access: Access | None = None,
) -> tuple[Machines, dict[str, Served]]:
    """Put the state machines over a store, and the services that they and everybody else call."""
    access = access or Access(Policies())
    maps = MapServices(map_runs=MapRuns(MapRunStore(store), store.next_map_run_id), store=objects, access=access)
    integrations = Integrations(
        FunctionTask(runtime, access), {"lambda:invoke": InvokeTask(runtime, account, access)}, faults
    )
    machines = Machines(store, clock, integrations, maps)
    services = serve_services(
        Parts(account=account, access=access, clock=clock, store=store, objects=objects, machines=machines, batch=batch)
    )
    for served in services.values():
        integrations.add(served.tasks)
    return machines, services
