"""Commands as data: help, options and the function that is called; and the options that commands share."""

import argparse
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hpc.cli.arguments import json_object_text, plain_text, size
from hpc.terminal.console import Parser

# Adds something to a parser, or to a group of one.
Option = Callable[["argparse._ActionsContainer"], None]


@dataclass(frozen=True)
class Command:
    """One command of `hpc`.

    Attributes
    ----------
    function
        ``module:function``; imported when it is called, because boto3 takes half a second that --help need not wait.
    examples
        Command lines, as the help shows them.
    check
        Refuses options that would have no effect, by ``args.parser.error``.
    computes
        Whether it computes on this machine, unless it is told another place.
    """

    name: str
    function: str
    summary: str
    description: str
    examples: Sequence[str]
    options: Sequence[Option]
    check: Callable[[argparse.Namespace], None] | None = None
    computes: bool = False

    def add_to(self, commands: "argparse._SubParsersAction[Parser]", end: str) -> None:
        """Add the command's parser; its help ends with ``end``."""
        parser = commands.add_parser(
            self.name,
            help=self.summary,
            description=self.description,
            epilog="\n  ".join(["examples:", *self.examples]) + f"\n\n{end}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        parser.set_defaults(command=self, parser=parser)
        for add in self.options:
            add(parser)

    def call(self, args: argparse.Namespace) -> int:
        """Run the command and return its exit code."""
        self.check_options(args)
        with self._workers(args):
            return int(self.load()(args))

    def _workers(self, args: argparse.Namespace) -> AbstractContextManager[None]:
        """Have what the workers import imported beside what the command imports."""
        given = vars(args)
        if not self.computes or given.get("aws") or given.get("detach"):
            return nullcontext()
        from hpc.targets.early import workers_started  # noqa: PLC0415 - other commands need not import it

        return workers_started()

    def check_options(self, args: argparse.Namespace) -> None:
        """Exit, as argparse does, if an option would have no effect."""
        _check_place(args)
        if self.check is not None:
            self.check(args)

    def load(self) -> Callable[[argparse.Namespace], int]:
        module, _, name = self.function.partition(":")
        function: Callable[[argparse.Namespace], int] = getattr(import_module(module), name)
        return function


def option(*names: str, **settings: Any) -> Option:
    """Return what adds one option or argument, given as to ``add_argument``."""

    def add(options: "argparse._ActionsContainer") -> None:
        options.add_argument(*names, **settings)

    return add


def group(title: str, *options: Option) -> Option:
    """Return what adds options under a title of their own."""

    def add(parser: "argparse._ActionsContainer") -> None:
        titled = parser.add_argument_group(title)
        for each in options:
            each(titled)

    return add


def exactly_one(title: str, *options: Option) -> Option:
    """Return what adds options under a title, one of which has to be given."""

    def add(parser: "argparse._ActionsContainer") -> None:
        exclusive = parser.add_argument_group(f"{title} (exactly one)").add_mutually_exclusive_group(required=True)
        for each in options:
            each(exclusive)

    return add


SIZE = option("--size", type=size, metavar="N", help="the items 0 to N-1")
ITEMS = option("--items", metavar="FILE", help="one item a line of a .jsonl file or a row of a .csv file")
PARAMS = option(
    "--params", type=json_object_text, metavar="JSON|@FILE", help="object that every item is computed with ({})"
)
RUN_OR_LATEST = option(
    "run", type=plain_text, nargs="?", metavar="RUN", help="its name, the end of it, ARN, or latest (latest)"
)
# Where the command looks or runs.
PLACE = (
    option("--aws", action="store_true", help="use the deployed stack, with boto3's region and credentials"),
    option(
        "--stack-name", type=plain_text, metavar="NAME", help="deployed stack, with --aws (hpc:stack_name of cdk.json)"
    ),
)


def assembly(used: str = "run") -> Option:
    """Return what lets the command use another cloud assembly than that of the sources."""
    return option("--assembly", metavar="DIR", help=f"cloud assembly to {used} (synthesized when sources changed)")


def output(*forms: str, meaning: str) -> Option:
    """Return what lets the command write other forms than text."""
    return option("--output", choices=("text", *forms), default="text", help=f"form of {meaning} (text)")


def _check_place(args: argparse.Namespace) -> None:
    given = vars(args)
    if given.get("stack_name") is not None and not args.aws:
        args.parser.error("--stack-name needs --aws")
    if given.get("assembly") is not None and given.get("aws"):
        args.parser.error("--assembly can't be given with --aws, where the deployed stack runs")
