"""The stack that ``cdk deploy`` makes: only the pipeline."""

import aws_cdk as cdk
from constructs import Construct

from hpc_stack.config import HpcConfig
from hpc_stack.serverless_hpc import ServerlessHpc


class HpcStack(cdk.Stack):
    """A stack of one `ServerlessHpc`."""

    def __init__(self, scope: Construct, construct_id: str, *, config: HpcConfig) -> None:
        super().__init__(scope, construct_id, description="Serverless HPC: a MapReduce pipeline on Step Functions")
        # The CDK leaves a construct named Default out of logical ids and of names that it makes.
        self.hpc = ServerlessHpc(self, "Default", **config.construct_settings())
