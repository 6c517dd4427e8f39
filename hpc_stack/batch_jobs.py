"""AWS Batch on Fargate: compute environment, queue and job definition, and who may use them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hpc_stack import pythons, run_keys
from hpc_stack.handlers import ASSET_EXCLUDE, allow, allow_objects, attach

# nobody of the Debian image.
USER = "65534:65534"
COMMAND = ["python", "-m", "lambdas.job"]
ATTEMPTS = 3
TASKS = "ecs-tasks.amazonaws.com"
# Failures of the infrastructure; another attempt after any other failure would cost the same and fail again.
# Source of the texts: "Job state change events" and "Stopped tasks error messages", AWS Batch and Amazon ECS guides.
RETRIED_STATUS_REASONS = (
    "Your Spot Task was interrupted*",
    "Timeout waiting for network interface*",
    "ResourceInitializationError*",
)
# Files of the image, besides those of the functions' asset.
IMAGE_FILES = ("lambdas/Dockerfile", "lambdas/requirements.txt", "constraints.txt", "requirements-uv.txt")
ARCHITECTURES = {
    "arm64": (ecs.CpuArchitecture.ARM64, ecr_assets.Platform.LINUX_ARM64),
    "x86_64": (ecs.CpuArchitecture.X86_64, ecr_assets.Platform.LINUX_AMD64),
}


@dataclass(frozen=True, kw_only=True)
class JobSize:
    """Size of one job, and limits of all jobs."""

    architecture: str
    vcpus: float
    memory_mib: int
    max_vcpus: int
    timeout_seconds: int
    is_spot: bool


class BatchJobs(Construct):
    """Queue and definition of the jobs that compute runs.

    Parameters
    ----------
    vpc, subnets, security_group, is_public
        Where jobs run.
    image
        Where the image is; empty for one that is built from ``lambdas/`` when the stack is deployed.
    sources
        Folder that an image is built from.
    python
        Version of Python in an image that is built, such as "3.14".
    heartbeat_seconds
        What a task that a job answers waits for a heartbeat.

    Attributes
    ----------
    job_queue : batch.JobQueue
    job_definition : batch.EcsJobDefinition
    job_definition_revisions_arn : str
        Every revision of the definition: a redrive submits the one that its execution began with.
    job_role : iam.Role
        What the job may do.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        security_group: ec2.ISecurityGroup,
        is_public: bool,
        image: str,
        sources: Path,
        python: str,
        size: JobSize,
        heartbeat_seconds: int,
        workload_environment: Mapping[str, str],
        policies: Sequence[str],
        results_bucket: s3.IBucket,
        source_buckets: Sequence[s3.IBucket],
        source_kms_keys: Sequence[str],
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        compute_environment = batch.FargateComputeEnvironment(
            self,
            "ComputeEnvironment",
            vpc=vpc,
            vpc_subnets=subnets,
            security_groups=[security_group],
            maxv_cpus=size.max_vcpus,
            spot=size.is_spot,
            replace_compute_environment=True,
        )
        # In place a Fargate environment changes its vCPUs, subnets and security groups only, and a template with
        # UpdatePolicy is updated in place.  Source: "Updating compute environments", AWS Batch User Guide.
        resource = compute_environment.node.default_child
        assert isinstance(resource, cdk.CfnResource)
        resource.add_property_deletion_override("UpdatePolicy")
        self.job_queue = batch.JobQueue(
            self,
            "JobQueue",
            priority=1,
            compute_environments=[batch.OrderedComputeEnvironment(compute_environment=compute_environment, order=1)],
        )
        self.job_role = self._define_job_role(results_bucket, source_buckets, source_kms_keys)
        attach(self.job_role, policies)
        self.job_definition = batch.EcsJobDefinition(
            self,
            "JobDefinition",
            container=self._define_container(
                image=self._find_image(image, sources, python, ARCHITECTURES[size.architecture][1]),
                size=size,
                is_public=is_public,
                environment={
                    **workload_environment,
                    "RESULTS_BUCKET": results_bucket.bucket_name,
                    "HEARTBEAT_SECONDS": str(heartbeat_seconds),
                    "AWS_DEFAULT_REGION": cdk.Aws.REGION,
                },
                log_retention=log_retention,
            ),
            timeout=cdk.Duration.seconds(size.timeout_seconds),
            retry_attempts=ATTEMPTS,
            retry_strategies=[
                *(
                    batch.RetryStrategy.of(batch.Action.RETRY, batch.Reason.custom(on_status_reason=reason))
                    for reason in RETRIED_STATUS_REASONS
                ),
                # A job that no rule matches is tried again.
                batch.RetryStrategy.of(batch.Action.EXIT, batch.Reason.custom(on_reason="*")),
            ],
            # Its task has the tags of the definition and of the job, so that what it costs is found by them.
            propagate_tags=True,
            # A redrive submits the revision that its execution began with.
            skip_deregister_on_update=True,
        )
        without_revision = cdk.Fn.select(5, cdk.Fn.split(":", self.job_definition.job_definition_arn))
        self.job_definition_revisions_arn = cdk.Stack.of(self).format_arn(
            service="batch", resource=f"{without_revision}:*"
        )

    def _define_job_role(
        self, results_bucket: s3.IBucket, source_buckets: Sequence[s3.IBucket], source_kms_keys: Sequence[str]
    ) -> iam.Role:
        role = iam.Role(self, "JobRole", assumed_by=tasks_of_account(self))
        allow_objects(
            role,
            results_bucket,
            reads=(*run_keys.JOB_READS, "uploads/*"),
            writes=run_keys.JOB,
            uploads=run_keys.JOB_UPLOADS,
        )
        for bucket in source_buckets:
            allow(role, ["s3:GetObject"], [bucket.arn_for_objects("*")])
        if source_kms_keys:
            allow(role, ["kms:Decrypt"], source_kms_keys)
        return role

    def _define_container(
        self,
        *,
        image: ecs.ContainerImage,
        size: JobSize,
        is_public: bool,
        environment: dict[str, str],
        log_retention: logs.RetentionDays,
    ) -> batch.EcsFargateContainerDefinition:
        log_group = logs.LogGroup(self, "Logs", retention=log_retention, removal_policy=cdk.RemovalPolicy.DESTROY)
        return batch.EcsFargateContainerDefinition(
            self,
            "Container",
            image=image,
            command=COMMAND,
            user=USER,
            cpu=size.vcpus,
            memory=cdk.Size.mebibytes(size.memory_mib),
            fargate_cpu_architecture=ARCHITECTURES[size.architecture][0],
            fargate_operating_system_family=ecs.OperatingSystemFamily.LINUX,
            assign_public_ip=is_public,
            readonly_root_filesystem=True,
            environment=environment,
            job_role=self.job_role,
            execution_role=iam.Role(self, "ExecutionRole", assumed_by=iam.ServicePrincipal(TASKS)),
            logging=ecs.LogDriver.aws_logs(log_group=log_group, stream_prefix="job"),
        )

    def _find_image(self, image: str, sources: Path, python: str, platform: ecr_assets.Platform) -> ecs.ContainerImage:
        if not image:
            return ecs.ContainerImage.from_docker_image_asset(
                ecr_assets.DockerImageAsset(
                    self,
                    "Image",
                    directory=str(sources),
                    file="lambdas/Dockerfile",
                    platform=platform,
                    build_args={"PYTHON_IMAGE": pythons.base_image(python)},
                    ignore_mode=cdk.IgnoreMode.DOCKER,
                    exclude=[*ASSET_EXCLUDE, *(f"!{path}" for path in IMAGE_FILES)],
                )
            )
        registry, _, path = image.partition("/")
        if ".dkr.ecr." not in registry:
            return ecs.ContainerImage.from_registry(image)
        account, _, _, region, *_ = registry.split(".")
        name, separator, reference = path.partition("@") if "@" in path else path.rpartition(":")
        assert separator
        repository = ecr.Repository.from_repository_attributes(
            self,
            "Repository",
            repository_name=name,
            repository_arn=cdk.Stack.of(self).format_arn(
                service="ecr", resource="repository", resource_name=name, account=account, region=region
            ),
        )
        return ecs.ContainerImage.from_ecr_repository(repository, reference)

    def allow_answers(self, state_machines: Sequence[sfn.StateMachine]) -> None:
        """Let jobs answer the tasks of these machines."""
        # A policy of its own: the machines refer to the job's definition, which refers to its role.
        iam.Policy(
            self,
            "AnswerTasks",
            roles=[self.job_role],
            statements=[
                iam.PolicyStatement(
                    actions=["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"],
                    resources=[state_machine.state_machine_arn for state_machine in state_machines],
                )
            ],
        )


def tasks_of_account(scope: Construct) -> iam.ServicePrincipal:
    """Return who assumes the role of a task on Fargate: of this account only.

    Source: "Amazon ECS task IAM role", Amazon ECS Developer Guide.
    """
    stack = cdk.Stack.of(scope)
    return iam.ServicePrincipal(
        TASKS,
        conditions={
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": stack.format_arn(service="ecs", resource="*")},
        },
    )
