"""The customer key (setting ``kms``): what it encrypts, and who may use it for what.

aws-cdk-lib grants it to few who need it: neither CloudWatch Logs nor readers and writers of maps (aws-cdk issue 32144)
get rights, and those of a machine are for a machine without a name.
"""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

# The longest that the service waits, so that a key whose stack was deleted by mistake can be brought back.
PENDING_WINDOW = cdk.Duration.days(30)
# The longest that Step Functions uses one data key: each new one is a request that is paid.
DATA_KEY_REUSE_SECONDS = 900


def define_key(scope: Construct, *, retain: bool) -> kms.Key:
    """Define the key, which CloudWatch Logs may use for logs of this account and Region.

    Source: "Encrypt log data in CloudWatch Logs using AWS KMS"; "Data at rest encryption in Step Functions": logs of
    state machines are delivered by another service.
    """
    key = kms.Key(
        scope,
        "Key",
        description="Results, logs and state machines of serverless HPC",
        enable_key_rotation=True,
        pending_window=PENDING_WINDOW,
        removal_policy=cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY,
    )
    log_groups = cdk.Stack.of(scope).format_arn(
        service="logs", resource="log-group", resource_name="*", arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(f"logs.{cdk.Aws.REGION}.{cdk.Aws.URL_SUFFIX}")],
            actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
        )
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
            actions=["kms:Decrypt"],
            resources=["*"],
            conditions=_of_delivered_logs(scope),
        )
    )
    return key


def allow_service(key: kms.Key, service: str) -> None:
    """Let a service use the key for what it sends to an encrypted topic."""
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(service)],
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=["*"],
            conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
        )
    )


def allow_key_of_objects(grantee: iam.IGrantable, bucket: s3.IBucket, *, reads: bool, writes: bool) -> None:
    """Let somebody read or write objects of a bucket that a key encrypts; a part of an upload takes both."""
    if bucket.encryption_key is None:
        return
    actions = [*(["kms:Decrypt"] if reads else []), *(["kms:GenerateDataKey"] if writes else [])]
    statement = iam.PolicyStatement(
        actions=actions,
        resources=[bucket.encryption_key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": f"s3.{cdk.Aws.REGION}.{cdk.Aws.URL_SUFFIX}"}},
    )
    grantee.grant_principal.add_to_principal_policy(statement)


def encrypt_logs_and_machines(scope: Construct, key: kms.IKey, answering: Sequence[iam.IRole]) -> None:
    """Encrypt every log group below a construct, and the histories of its machines, which may start each other.

    Parameters
    ----------
    answering
        Roles of who answers tasks of the machines.
    """
    machines = []
    for construct in scope.node.find_all():
        if isinstance(construct, logs.CfnLogGroup):
            construct.kms_key_id = key.key_arn
        elif isinstance(construct, sfn.StateMachine):
            _encrypt_machine(construct, key)
            machines.append(construct)
    # A policy of its own: it refers to the machines, which refer to their roles.
    iam.Policy(
        scope,
        "EncryptExecutions",
        roles=[*(machine.role for machine in machines), *answering],
        statements=[_of_executions(key, machines)],
    )


def allow_key_of_executions(grantee: iam.IGrantable, key: kms.IKey, machines: Sequence[sfn.IStateMachine]) -> None:
    """Let somebody start executions of encrypted machines, and read of them."""
    grantee.grant_principal.add_to_principal_policy(_of_executions(key, machines))


def _of_executions(key: kms.IKey, machines: Sequence[sfn.IStateMachine]) -> iam.PolicyStatement:
    # With a label behind it: the children of a Distributed Map.
    arns = [arn for machine in machines for arn in (machine.state_machine_arn, f"{machine.state_machine_arn}/*")]
    return iam.PolicyStatement(
        actions=["kms:Decrypt", "kms:GenerateDataKey"],
        resources=[key.key_arn],
        conditions={"StringLike": {"kms:EncryptionContext:aws:states:stateMachineArn": arns}},
    )


def _encrypt_machine(machine: sfn.StateMachine, key: kms.IKey) -> None:
    resource = machine.node.default_child
    assert isinstance(resource, sfn.CfnStateMachine)
    resource.encryption_configuration = sfn.CfnStateMachine.EncryptionConfigurationProperty(
        type="CUSTOMER_MANAGED_KMS_KEY",
        kms_key_id=key.key_arn,
        kms_data_key_reuse_period_seconds=DATA_KEY_REUSE_SECONDS,
    )
    machine.add_to_role_policy(
        iam.PolicyStatement(
            actions=["kms:GenerateDataKey"], resources=[key.key_arn], conditions=_of_delivered_logs(machine)
        )
    )


def _of_delivered_logs(scope: Construct) -> dict[str, dict[str, str]]:
    # The service's encryption context has the star itself.
    source = cdk.Stack.of(scope).format_arn(service="logs", resource="*", arn_format=cdk.ArnFormat.NO_RESOURCE_NAME)
    return {"StringLike": {"kms:EncryptionContext:SourceArn": source}}
