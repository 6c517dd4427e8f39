"""A CDK app that knows nothing of the local runner: orders are priced by a Lambda function, large ones are flagged."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

app = cdk.App(outdir="cdk.out")
stack = cdk.Stack(app, "Orders")
price = lambda_.Function(
    stack,
    "Price",
    runtime=lambda_.Runtime.PYTHON_3_13,
    handler="price.handler",
    code=lambda_.Code.from_asset("functions"),
)
price_order = tasks.LambdaInvoke(stack, "PriceOrder", lambda_function=price, payload_response_only=True)
check_size = (
    sfn.Choice(stack, "IsLarge")
    .when(
        sfn.Condition.number_greater_than_equals("$.cents", 100_000),
        sfn.Pass(stack, "Flag", result=sfn.Result.from_boolean(True), result_path="$.review"),
    )
    .otherwise(sfn.Pass(stack, "Accept"))
)
orders = sfn.Map(stack, "EveryOrder", items_path="$.orders").item_processor(price_order.next(check_size))
machine = sfn.StateMachine(stack, "Machine", definition_body=sfn.DefinitionBody.from_chainable(orders))
cdk.CfnOutput(stack, "MachineArn", value=machine.state_machine_arn)
app.synth()
