"""Somebody's own CDK app: the pipeline, with a workload of theirs, beside their own resources."""

from hpc_stack import ServerlessHpc

import aws_cdk as cdk  # isort: skip # after hpc_stack, which brings the node that aws_cdk runs on
from aws_cdk import aws_sns as sns

app = cdk.App(outdir="cdk.out")
stack = cdk.Stack(app, "Theirs")
hpc = ServerlessHpc(stack, "Hpc", workloads="my_workloads", compute_memory_mib=3_008)
sns.Topic(stack, "News")
hpc.state_machine.metric_failed().create_alarm(stack, "RunFailed", threshold=1, evaluation_periods=1)
app.synth()
