"""EventBridge on this machine: rules that call Lambda functions with the events of AWS Batch and Step Functions.

Source: Amazon EventBridge user guide, "Event patterns"; AWS Lambda developer guide, "Asynchronous invocation": an
invocation that fails is tried twice more.

**Differs from AWS:** events are delivered one after the other; a failed invocation is tried again at once, not after
one and two minutes; patterns compare whole values, content filters (``prefix``, ``exists`` and so on) are refused when
the template is read.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sfn_local.arns import Account
from sfn_local.clock import Clock
from sfn_local.iam.access import Access
from sfn_local.lambda_runtime.runtime import FunctionError, LambdaRuntime, RuntimeStoppedError

LOGGER = logging.getLogger(__name__)

TRIES = 3
EVENTS = "events.amazonaws.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An enabled rule; ``targets`` are ARNs of Lambda functions, which let EventBridge call them or not.

    Raises
    ------
    ValueError
        If the pattern asks for more than whole values.
    """

    name: str
    arn: str
    pattern: Mapping[str, Any]
    targets: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_pattern(self.pattern, "EventPattern")


def _check_pattern(pattern: Mapping[str, Any], place: str) -> None:
    for name, wanted in pattern.items():
        if isinstance(wanted, Mapping):
            _check_pattern(wanted, f"{place}.{name}")
        elif not isinstance(wanted, list) or any(isinstance(value, dict | list) for value in wanted):
            raise ValueError(f"{place}.{name} must be a list of texts, numbers, booleans or null, got {wanted}")


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether every field of a pattern is in the event with one of the wanted values; of a list, one is enough.

    In a list of objects, one object has to have all the wanted values.
    """
    for name, wanted in pattern.items():
        if name not in event:
            return False
        value = event[name]
        if isinstance(wanted, Mapping):
            objects = value if isinstance(value, list) else [value]
            if not any(isinstance(each, Mapping) and matches(wanted, each) for each in objects):
                return False
        elif not any(each in wanted for each in (value if isinstance(value, list) else [value])):
            return False
    return True


class EventBus:
    """Hands events to the targets of the rules that they match."""

    def __init__(self, runtime: LambdaRuntime, account: Account, clock: Clock, access: Access) -> None:
        self._runtime = runtime
        self._access = access
        self._account = account
        self._clock = clock
        self._rules: list[Rule] = []
        self._deliveries: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(1)  # ten thousand events must not keep a run's own invocations waiting

    def add(self, rules: Iterable[Rule]) -> None:
        self._rules.extend(rules)

    def publish(
        self, source: str, detail_type: str, resource: str, status: str, detail: Callable[[], dict[str, Any]]
    ) -> None:
        """Send an event; ``detail``, which has the status, is called only if a rule may want it."""
        head = {"source": source, "detail-type": detail_type}
        known = {**head, "detail": {"status": status}}
        rules = [rule for rule in self._rules if matches(_only(rule.pattern, known), known)]
        if not rules:
            return
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            **head,
            "account": self._account.account_id,
            "time": datetime.fromtimestamp(self._clock.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._account.region,
            "resources": [resource],
            "detail": detail(),
        }
        targets = [
            target
            for rule in rules
            if matches(rule.pattern, event)
            for target in rule.targets
            if self._may_call(rule, target)
        ]
        payload = json.dumps(event).encode() if targets else b""
        for target in targets:
            delivery = asyncio.get_running_loop().create_task(self._deliver(target, payload))
            self._deliveries.add(delivery)
            delivery.add_done_callback(self._deliveries.discard)

    def _may_call(self, rule: Rule, target: str) -> bool:
        """Ask the function's own policy: EventBridge has no role."""
        source = (("aws:SourceArn", rule.arn), ("aws:SourceAccount", self._account.account_id))
        is_allowed = self._access.allows_service(EVENTS, "lambda:InvokeFunction", target, source)
        if not is_allowed:
            LOGGER.warning("rule %s may not call %s: no AWS::Lambda::Permission allows it", rule.name, target)
        return is_allowed

    async def close(self) -> None:
        """Forget the rules, and what has not been delivered."""
        self._rules.clear()
        deliveries = list(self._deliveries)
        for delivery in deliveries:
            delivery.cancel()
        await asyncio.gather(*deliveries, return_exceptions=True)

    async def _deliver(self, target: str, payload: bytes) -> None:
        for _ in range(TRIES):
            try:
                async with self._turn:
                    await self._runtime.invoke(target, payload)
            except FunctionError as error:
                # Without the event, which may hold a task token.
                LOGGER.warning("%s failed with an event: %s", target, error.name)
            except RuntimeStoppedError:
                return
            else:
                return


def _only(pattern: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a pattern that is about known fields."""
    return {
        name: _only(wanted, known[name]) if isinstance(wanted, Mapping) else wanted
        for name, wanted in pattern.items()
        if name in known
    }
