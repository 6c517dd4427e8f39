"""The services of one home.  A service is one registration in ``SERVICES``: its API, the rights that its operations
take, the tasks that call it, and what it makes of a stack.

The path from here to a new service is in docs/how-to/add_a_service_integration.md.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sfn_local.arns import Account
from sfn_local.assembly.read import Stack
from sfn_local.assembly.resources.s3 import Bucket
from sfn_local.assembly.resources.state_machines import StateMachine
from sfn_local.batch.resources import JobDefinition, JobQueue
from sfn_local.batch.service import BatchService
from sfn_local.clock import Clock
from sfn_local.execution.integrations import Integration
from sfn_local.iam.access import Access
from sfn_local.iam.api_actions import S3_RIGHTS, batch_rights, states_rights
from sfn_local.iam.guard import GuardedS3, GuardedService
from sfn_local.iam.machine_rights import check_machine_role
from sfn_local.integrations.batch_job import batch_tasks
from sfn_local.integrations.nested_executions import execution_tasks
from sfn_local.integrations.s3_actions import s3_tasks
from sfn_local.integrations.sqs_message import SendMessageTask
from sfn_local.machines.registry import Machines
from sfn_local.object_store import ObjectStore
from sfn_local.protocol import Service
from sfn_local.s3 import S3Service
from sfn_local.sqs.queues import Queue, Queues
from sfn_local.sqs.service import SqsService, sqs_rights
from sfn_local.states_api.service import StatesService
from sfn_local.storage.machine_store import MachineRow
from sfn_local.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The services of one server; ``batch`` is None where no job can run."""

    account: Account
    access: Access
    clock: Clock
    store: Store
    objects: ObjectStore
    machines: Machines
    batch: BatchService | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A service that is served.

    Attributes
    ----------
    api : Service
        Behind the rights of its callers.
    tasks : mapping
        The integrations that call it, by the part of a task's ``Resource`` that follows ``arn:aws:states:::``.
    deploy : callable or None
        Makes the resources of a stack that belong to the service.
    """

    api: Service
    tasks: Mapping[str, Integration] = field(default_factory=dict)
    deploy: Callable[[Stack], Awaitable[None]] | None = None


def _s3(parts: Parts) -> Served:
    service = S3Service(
        parts.objects,
        region=parts.account.region,
        account=parts.account.account_id,
        on_full=parts.machines.executions.fail_running,
    )
    api = GuardedS3(service, parts.access, S3_RIGHTS)

    async def deploy(stack: Stack) -> None:
        known = {bucket.name for bucket in parts.objects.buckets()}
        for bucket in stack.all(Bucket):
            if bucket.name not in known:
                parts.objects.create_bucket(bucket.name)

    return Served(api=api, tasks=s3_tasks(api), deploy=deploy)


def _states(parts: Parts) -> Served:
    machines, account, access = parts.machines, parts.account, parts.access

    def check_role(row: MachineRow) -> None:
        check_machine_role(
            access,
            account,
            machine_arn=row.arn,
            role_arn=row.role_arn,
            definition=row.definition,
            is_logged=row.settings.get("loggingConfiguration", {}).get("level", "OFF") != "OFF",
        )

    service = StatesService(machines, account, check_role)
    api = GuardedService(service, access, states_rights(account, machines.tokens.machine_of))

    async def deploy(stack: Stack) -> None:
        for machine in stack.all(StateMachine):
            machines.register(
                arn=machine.arn,
                name=machine.name,
                machine_type=machine.type,
                role_arn=machine.role_arn,
                definition=machine.definition,
            )

    return Served(api=api, tasks=execution_tasks(api, machines.executions, access), deploy=deploy)


def _batch(parts: Parts) -> Served | None:
    batch = parts.batch
    if batch is None:
        return None
    api = GuardedService(batch, parts.access, batch_rights(parts.account, batch.resources.arn))

    async def deploy(stack: Stack) -> None:
        batch.resources.add(stack.all(JobQueue), stack.all(JobDefinition))

    return Served(api=api, tasks=batch_tasks(api, batch, parts.access), deploy=deploy)


def _sqs(parts: Parts) -> Served:
    queues = Queues(parts.store, parts.clock)
    api = GuardedService(SqsService(queues, parts.account), parts.access, sqs_rights(parts.account))

    async def deploy(stack: Stack) -> None:
        await queues.add(stack.all(Queue))

    return Served(api=api, tasks={"sqs:sendMessage": SendMessageTask(api)}, deploy=deploy)


# By the name that requests are signed for.  State machines come last: their definitions name the other resources.
SERVICES: Mapping[str, Callable[[Parts], Served | None]] = {"s3": _s3, "batch": _batch, "sqs": _sqs, "states": _states}


def serve(parts: Parts) -> dict[str, Served]:
    """Return the services that can be made of these parts, by name."""
    made = {name: make(parts) for name, make in SERVICES.items()}
    return {name: served for name, served in made.items() if served is not None}
