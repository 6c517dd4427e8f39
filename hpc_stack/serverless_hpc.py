"""`ServerlessHpc`: the whole pipeline as one construct for any stack."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hpc_stack import findings, pythons
from hpc_stack.asset_modes import open_assets
from hpc_stack.batch_jobs import BatchJobs, JobSize
from hpc_stack.config import LOG_RETENTION, HpcConfig
from hpc_stack.encryption import allow_key_of_executions, define_key, encrypt_logs_and_machines
from hpc_stack.functions import Functions
from hpc_stack.handlers import Handlers, handlers_code, python_runtime
from hpc_stack.job_events import JobEvents
from hpc_stack.job_tasks import JobTasks, JobTimes
from hpc_stack.layer import define_layer
from hpc_stack.map_reduce import RESULT_WRITER_FLAG, MapReduce
from hpc_stack.monitoring import Alarms
from hpc_stack.network import JobNetwork
from hpc_stack.notices import Notices, Watched
from hpc_stack.orchestrator import Orchestrator
from hpc_stack.sources import SOURCES, layer_cache
from hpc_stack.staging import staged_sources
from hpc_stack.storage import RUNS_PREFIX, UPLOADS_PREFIX, ResultsStorage

ARCHITECTURES = {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}


@dataclass(frozen=True)
class Jobs:
    """The resources on AWS Batch."""

    batch_jobs: BatchJobs
    tasks: JobTasks


class ServerlessHpc(Construct):
    """Results bucket, the three functions and the MapReduce machine; AWS Batch and the orchestrator by setting.

    Outputs StateMachineArn and ResultsBucketName; with AWS Batch JobQueueArn and JobDefinitionArn, with the
    orchestrator OrchestratorArn.  Their logical ids begin with the construct's.

    Parameters
    ----------
    workloads
        Folder with a ``.py`` file for each workload that is deployed beside the bundled ones.
    requirements
        File that pins what these workloads import; by default ``requirements.txt`` in their folder, if it exists.
    settings
        Fields of `HpcConfig` but ``stack_name``, ``compute_memory_mib=3_008`` for example.

    Attributes
    ----------
    state_machine : sfn.StateMachine
        MapReduce; an execution of it is a run.
    results_bucket : s3.Bucket
        Has the objects of every run under ``runs/<name>/``; what runs read is put under ``uploads/``.
    functions : Functions
        ``start``, ``compute`` and ``sum``.
    key : kms.Key or None
        Encrypts everything, with the setting ``kms``.
    jobs : Jobs or None
        Queue, definition and tasks of AWS Batch, with the setting ``batch``.
    orchestrator : Orchestrator or None
        With the setting ``orchestrator``.

    Raises
    ------
    ConfigError
        If a setting is unknown, or its value is not allowed.
    WorkloadsError
        If the workloads' folder or file of requirements can't be used.
    PackagesError
        If the packages of the workloads can't be a layer.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        workloads: str | Path | None = None,
        requirements: str | Path | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(scope, construct_id)
        self.node.set_context(RESULT_WRITER_FLAG, True)  # an app of its own may have other feature flags
        self._config = HpcConfig.for_construct(settings)
        self._log_retention = logs.RetentionDays[LOG_RETENTION[self._config.log_retention_days]]
        self._python = self._choose_python()
        self.key = define_key(self, retain=self._config.retain_results) if self._config.kms else None
        self.results_bucket = self._define_storage()
        self._source_buckets = [
            s3.Bucket.from_bucket_name(self, f"Source-{name}", name) for name in self._config.source_buckets
        ]
        own = (None if each is None else Path(each) for each in (workloads, requirements))
        with staged_sources(SOURCES, *own) as sources:
            self._define_parts(sources)
        if self._config.alarms or self._config.notify_email:
            self._define_monitoring()
        if self.key is not None:
            encrypt_logs_and_machines(self, self.key, self._answering_roles())
        for tag, value in self._config.tags:
            cdk.Tags.of(self).add(tag, value)
        findings.acknowledge_serverless(self)
        # The uploaded files were copied into the assembly just now, with their modes on this machine.
        stage = cdk.Stage.of(self)
        assert stage is not None  # a stack can't be defined outside of one
        open_assets(Path(stage.asset_outdir))

    def grant_run(self, grantee: iam.IGrantable) -> None:
        """Let somebody start runs, follow and stop them, put data for them, and read what they write."""
        self.state_machine.grant_start_execution(grantee)
        self.state_machine.grant_read(grantee)
        self.state_machine.grant_execution(grantee, "states:StopExecution", "states:RedriveExecution")
        self.grant_read_results(grantee)
        self.results_bucket.grant_put(grantee, f"{UPLOADS_PREFIX}*")
        if self.key is not None:
            allow_key_of_executions(grantee, self.key, [self.state_machine])

    def grant_read_results(self, grantee: iam.IGrantable) -> None:
        """Let somebody read what runs write."""
        self.results_bucket.grant_read(grantee, f"{RUNS_PREFIX}*")

    def _define_parts(self, sources: Path) -> None:
        """Define what computes, from a folder that is there only meanwhile."""
        self._sources = sources
        self._handlers = Handlers(
            code=handlers_code(sources),
            results_bucket=self.results_bucket,
            architecture=ARCHITECTURES[self._config.architecture],
            runtime=python_runtime(self._python),
            log_retention=self._log_retention,
        )
        self.jobs = jobs = self._define_jobs() if self._config.batch else None
        self.functions = self._define_functions()
        self.state_machine = self._define_map_reduce(self.functions, jobs)
        self.orchestrator: Orchestrator | None = None
        self._job_events: JobEvents | None = None
        machines = {"MAP_REDUCE_ARN": self.state_machine}
        if jobs is not None and self._config.orchestrator:
            self.orchestrator = self._define_orchestrator(self.functions, self.state_machine, jobs)
            machines["SYNC_NESTED_ARN"] = self.orchestrator.sync_nested
        if jobs is not None:
            self._job_events = self._define_job_events(jobs, machines)
            jobs.batch_jobs.allow_answers(list(machines.values()))

    def _define_monitoring(self) -> None:
        started = [self.state_machine]
        started += [self.orchestrator.complex_orchestrator] if self.orchestrator is not None else []
        everything = self.node.find_all()
        watched = Watched(
            started=started,
            machines=[each for each in everything if isinstance(each, sfn.StateMachine)],
            functions=[each for each in everything if isinstance(each, lambda_.Function)],
            has_jobs=self.jobs is not None,
        )
        notices = Notices(
            self, "Notices", email=self._config.notify_email, key=self.key, handlers=self._handlers, watched=watched
        )
        findings.acknowledge_notices(notices, watched.machines, self.results_bucket)
        if not self._config.alarms:
            return
        Alarms(
            self,
            "Alarms",
            topic=notices.topic,
            machines=watched.machines,
            functions=[*watched.functions, notices.function],
            map_log_group=self._map_reduce.log_group,
            job_queue_arn=None if self.jobs is None else self.jobs.batch_jobs.job_queue.job_queue_arn,
        )

    def _answering_roles(self) -> list[iam.IRole]:
        """Return the roles of who answers tasks of the machines."""
        functions = [
            *([self.orchestrator.notify] if self.orchestrator is not None else []),
            *([self._job_events.function] if self._job_events is not None else []),
        ]
        roles = [function.role for function in functions if function.role is not None]
        return roles if self.jobs is None else [*roles, self.jobs.batch_jobs.job_role]

    def _choose_python(self) -> str:
        here = pythons.running()
        chosen = pythons.choose(self._config.python, here)
        if chosen != pythons.NEWEST:
            findings.acknowledge_older_python(self)
        warning = pythons.difference(chosen, self._config.python, here)
        if warning is not None:
            cdk.Annotations.of(self).add_warning_v2("hpc:python", warning)
        return chosen

    def _define_storage(self) -> s3.Bucket:
        results = ResultsStorage(
            self,
            "Results",
            expire_after=cdk.Duration.days(self._config.results_expire_after_days),
            retain=self._config.retain_results,
            log_retention=self._log_retention,
            encryption_key=self.key,
            tags=self._config.tags,
        )
        cdk.CfnOutput(self, "ResultsBucketName", value=results.bucket.bucket_name)
        findings.acknowledge_storage(results.bucket)
        return results.bucket

    def _define_functions(self) -> Functions:
        config = self._config
        back_ends = {"BACK_ENDS": "lambda"}
        if config.batch:
            back_ends = {"BACK_ENDS": "lambda,batch,batch_callback", "MAX_ARRAY_SIZE": str(config.max_array_size)}
        functions = Functions(
            self,
            "Functions",
            handlers=self._handlers,
            source_buckets=self._source_buckets,
            source_kms_keys=self._config.source_kms_keys,
            compute_memory_mib=config.compute_memory_mib,
            compute_timeout=cdk.Duration.seconds(config.compute_timeout_seconds),
            ephemeral_storage_mib=config.ephemeral_storage_mib,
            workload_environment=dict(config.environment),
            policies=config.policies,
            start_environment={**self._caps_environment(), **back_ends},
            layers=self._define_layers(),
            uploaded_workloads=config.uploaded_workloads,
        )
        if not config.uploaded_workloads:
            # For whoever starts runs, who need not upload what would be refused.
            cdk.CfnOutput(self, "UploadedWorkloads", value="false")
        findings.acknowledge_functions(functions, self.results_bucket, self._source_buckets)
        findings.acknowledge_policies(functions, config.policies)
        return functions

    def _caps_environment(self) -> dict[str, str]:
        """Return what Start has to know of the most that a run may ask for."""
        config = self._config
        caps = {"MAX_CONCURRENCY": str(config.max_concurrency), "MAX_ITEMS": str(config.max_items)}
        if config.max_usd:
            caps["MAX_USD"] = f"{config.max_usd:.6f}"
        if not config.uploaded_workloads:
            caps["UPLOADED_WORKLOADS"] = "false"
        return caps

    def _define_layers(self) -> list[lambda_.LayerVersion]:
        if not self._config.packages_layer:
            return []
        layer = define_layer(
            self,
            "Packages",
            project_root=self._sources,
            cache=layer_cache(),
            runtime=python_runtime(self._python),
            architecture=ARCHITECTURES[self._config.architecture],
        )
        return [] if layer is None else [layer]

    def _define_map_reduce(self, functions: Functions, jobs: Jobs | None) -> sfn.StateMachine:
        config = self._config
        back_ends = {} if jobs is None else self._define_back_ends(jobs)
        self._map_reduce = map_reduce = MapReduce(
            self,
            "MapReduce",
            start_function=functions.start,
            compute_function=functions.compute,
            sum_function=functions.sum,
            results_bucket=self.results_bucket,
            compute_timeout_seconds=config.compute_timeout_seconds,
            child_type=sfn.StateMachineType[config.child_type],
            log_retention=self._log_retention,
            run_timeout_seconds=config.run_timeout_seconds,
            other_back_ends=back_ends,
        )
        cdk.CfnOutput(self, "StateMachineArn", value=map_reduce.state_machine.state_machine_arn)
        findings.acknowledge_map_reduce(
            map_reduce, map_reduce.state_machine, self.results_bucket, has_jobs=jobs is not None
        )
        if jobs is not None:
            findings.acknowledge_revisions(map_reduce, jobs.batch_jobs.job_definition_revisions_arn)
        return map_reduce.state_machine

    def _define_jobs(self) -> Jobs:
        config = self._config
        network = JobNetwork(
            self,
            "Network",
            vpc_id=config.vpc_id,
            subnet_ids=config.subnet_ids,
            is_public=config.subnet_access == "public",
        )
        batch_jobs = BatchJobs(
            self,
            "BatchJobs",
            vpc=network.vpc,
            subnets=network.subnets,
            security_group=network.security_group,
            is_public=network.is_public,
            image=config.batch_image,
            sources=self._sources,
            python=self._python,
            size=JobSize(
                architecture=config.batch_architecture,
                vcpus=config.batch_vcpus,
                memory_mib=config.batch_memory_mib,
                max_vcpus=config.batch_max_vcpus,
                timeout_seconds=config.batch_timeout_seconds,
                is_spot=config.batch_spot,
            ),
            heartbeat_seconds=config.callback_heartbeat_seconds,
            workload_environment=dict(config.environment),
            policies=config.policies,
            results_bucket=self.results_bucket,
            source_buckets=self._source_buckets,
            source_kms_keys=self._config.source_kms_keys,
            log_retention=self._log_retention,
        )
        tasks = JobTasks(
            self,
            "JobTasks",
            handlers=self._handlers,
            job_queue_arn=batch_jobs.job_queue.job_queue_arn,
            job_definition_arn=batch_jobs.job_definition.job_definition_arn,
            job_definition_revisions_arn=batch_jobs.job_definition_revisions_arn,
        )
        cdk.CfnOutput(self, "JobQueueArn", value=batch_jobs.job_queue.job_queue_arn)
        cdk.CfnOutput(self, "JobDefinitionArn", value=batch_jobs.job_definition.job_definition_arn)
        if not config.vpc_id:
            findings.acknowledge_network(network)
        findings.acknowledge_batch_jobs(batch_jobs, self.results_bucket, self._source_buckets)
        findings.acknowledge_policies(batch_jobs, config.policies)
        findings.acknowledge_job_function(tasks)
        findings.acknowledge_revisions(tasks, batch_jobs.job_definition_revisions_arn)
        return Jobs(batch_jobs, tasks)

    def _define_back_ends(self, jobs: Jobs) -> dict[str, sfn.TaskStateBase]:
        times = JobTimes(self._config.batch_run_timeout_seconds, self._config.callback_heartbeat_seconds)
        return {
            "batch": jobs.tasks.define_array_job(jobs.tasks, "ComputeArrayJob", run_path="$.run", times=times),
            "batch_callback": jobs.tasks.define_callback_job(
                jobs.tasks, "ComputeCallbackJob", run_path="$.run", result_path="$.callback", times=times
            ),
        }

    def _define_orchestrator(self, functions: Functions, map_reduce: sfn.StateMachine, jobs: Jobs) -> Orchestrator:
        config = self._config
        job_seconds = config.orchestrator_job_timeout_seconds
        orchestrator = Orchestrator(
            self,
            "Orchestrator",
            handlers=self._handlers,
            map_reduce=map_reduce,
            start_function=functions.start,
            sum_function=functions.sum,
            job_tasks=jobs.tasks,
            max_concurrency=config.orchestrator_max_concurrency,
            times=JobTimes(job_seconds, min(config.callback_heartbeat_seconds, job_seconds // 2)),
            retry_interval_seconds=config.orchestrator_retry_interval_seconds,
            run_timeout_seconds=config.run_timeout_seconds,
            log_retention=self._log_retention,
        )
        cdk.CfnOutput(self, "OrchestratorArn", value=orchestrator.complex_orchestrator.state_machine_arn)
        started = [map_reduce, orchestrator.callback_notify, orchestrator.sync_nested]
        findings.acknowledge_orchestrator(orchestrator, started, self.results_bucket)
        findings.acknowledge_revisions(orchestrator, jobs.batch_jobs.job_definition_revisions_arn)
        return orchestrator

    def _define_job_events(self, jobs: Jobs, machines: dict[str, sfn.StateMachine]) -> JobEvents:
        job_events = JobEvents(
            self,
            "JobEvents",
            handlers=self._handlers,
            job_queue_arn=jobs.batch_jobs.job_queue.job_queue_arn,
            machines=machines,
        )
        findings.acknowledge_job_function(job_events)
        return job_events
