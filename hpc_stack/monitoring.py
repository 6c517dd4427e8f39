"""Watching the stack: alarms and a dashboard."""

from collections.abc import Iterator, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

PERIOD = cdk.Duration.minutes(5)
METRICS = "ServerlessHpc"
# Compute stops by itself in the last tenth of its time, 10 s at most; what goes on beyond half of that hangs.
NEAR_SHARE, NEAR_SECONDS = 0.05, 5.0


class Alarms(Construct):
    """Alarms, which publish to a topic, and the dashboard of the same.

    Parameters
    ----------
    machines
        All state machines of the stack, by name.
    map_log_group
        Log of the machine that has the Distributed Map.
    job_queue_arn
        None without AWS Batch.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topic: sns.ITopic,
        machines: Sequence[sfn.StateMachine],
        functions: Sequence[lambda_.Function],
        map_log_group: logs.ILogGroup,
        job_queue_arn: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._action = actions.SnsAction(topic)
        alarms = [alarm for machine in machines for alarm in self._of_machine(machine)]
        alarms.append(self._of_map_runs(map_log_group))
        alarms += [alarm for function in functions for alarm in self._of_function(function)]
        if job_queue_arn is not None:
            alarms.append(self._of_jobs(job_queue_arn))
        self._define_dashboard(alarms, machines, functions)

    def _alarm(self, name: str, metric: cloudwatch.IMetric, description: str, threshold: float = 1) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            alarm_description=description,
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._action)
        return alarm

    def _of_machine(self, machine: sfn.StateMachine) -> Iterator[cloudwatch.Alarm]:
        name = _called(machine)
        yield self._alarm(f"{name}Failed", machine.metric_failed(period=PERIOD), f"An execution of {name} failed")
        yield self._alarm(f"{name}TimedOut", machine.metric_timed_out(period=PERIOD), f"One of {name} timed out")
        yield self._alarm(
            f"{name}Throttled", machine.metric_throttled(period=PERIOD), f"State transitions of {name} were throttled"
        )

    def _of_map_runs(self, log_group: logs.ILogGroup) -> cloudwatch.Alarm:
        # Step Functions has no metric of Map Runs that failed; its log, which has every event, does.
        failed = logs.MetricFilter(
            self,
            "MapRunFailures",
            log_group=log_group,
            filter_pattern=logs.FilterPattern.string_value("$.type", "=", "MapRunFailed"),
            metric_namespace=METRICS,
            metric_name=f"{cdk.Names.unique_resource_name(self, separator='-')}-MapRunFailed",
        )
        return self._alarm(
            "MapRunFailed", failed.metric(period=PERIOD, statistic="Sum"), "A Map Run had more failures than tolerated"
        )

    def _of_function(self, function: lambda_.Function) -> Iterator[cloudwatch.Alarm]:
        name = _called(function)
        yield self._alarm(f"{name}Errors", function.metric_errors(period=PERIOD), f"An invocation of {name} failed")
        yield self._alarm(f"{name}Throttles", function.metric_throttles(period=PERIOD), f"{name} was throttled")
        assert function.timeout is not None
        limit = function.timeout.to_seconds()
        near = limit - min(NEAR_SECONDS, NEAR_SHARE * limit)
        yield self._alarm(
            f"{name}Duration",
            function.metric_duration(period=PERIOD, statistic="Maximum"),
            f"An invocation of {name} took {near:g} s or more, of {limit:g} s",
            threshold=near * 1_000,
        )

    def _of_jobs(self, job_queue_arn: str) -> cloudwatch.Alarm:
        # AWS Batch has no metric of jobs that failed; a rule counts their events, of an array job that of the whole.
        rule = events.Rule(
            self,
            "JobFailed",
            description="Counts jobs that failed",
            event_pattern=events.EventPattern(
                source=["aws.batch"],
                detail_type=["Batch Job State Change"],
                detail={
                    "status": ["FAILED"],
                    "jobQueue": [job_queue_arn],
                    "arrayProperties": {"index": [{"exists": False}]},
                },
            ),
        )
        matched = cloudwatch.Metric(
            namespace="AWS/Events",
            metric_name="MatchedEvents",
            dimensions_map={"RuleName": rule.rule_name},
            statistic="Sum",
            period=PERIOD,
        )
        return self._alarm("JobsFailed", matched, "A job of AWS Batch failed")

    def _define_dashboard(
        self,
        alarms: Sequence[cloudwatch.Alarm],
        machines: Sequence[sfn.StateMachine],
        functions: Sequence[lambda_.Function],
    ) -> None:
        def graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
            return cloudwatch.GraphWidget(title=title, left=list(metrics), width=12, period=PERIOD)

        cloudwatch.Dashboard(
            self,
            "Dashboard",
            widgets=[
                [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=24, height=6)],
                [
                    graph("Executions started", [each.metric_started() for each in machines]),
                    graph("Executions succeeded", [each.metric_succeeded() for each in machines]),
                ],
                [
                    graph("Invocations", [each.metric_invocations() for each in functions]),
                    graph("Longest invocation, ms", [each.metric_duration(statistic="Maximum") for each in functions]),
                ],
                [
                    graph("Errors", [each.metric_errors() for each in functions]),
                    graph("Throttled invocations", [each.metric_throttles() for each in functions]),
                ],
            ],
        )


def _called(construct: Construct) -> str:
    """Return what a machine is called, by the construct that it is in, or a function."""
    own, parent = construct.node.id, construct.node.scope
    return parent.node.id if own in ("StateMachine", "Function") and parent is not None else own
