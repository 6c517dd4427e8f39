"""What a command is: its help, its options, the function that it calls; and the options that commands share."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from hpc.arguments import plain_text


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
    """

    name: str
    function: str
    summary: str
    description: str
    examples: Sequence[str]
    add_options: Callable[[argparse.ArgumentParser], None]
    check: Callable[[argparse.Namespace], None] | None = None

    def add_to(self, commands: "argparse._SubParsersAction[argparse.ArgumentParser]", end: str) -> None:
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
        self.add_options(parser)

    def call(self, args: argparse.Namespace) -> int:
        """Run the command and return its exit code."""
        self.check_options(args)
        return int(self.load()(args))

    def check_options(self, args: argparse.Namespace) -> None:
        """Exit, as argparse does, if an option would have no effect."""
        _check_place(args)
        if self.check is not None:
            self.check(args)

    def load(self) -> Callable[[argparse.Namespace], int]:
        module, _, name = self.function.partition(":")
        function: Callable[[argparse.Namespace], int] = getattr(import_module(module), name)
        return function


def add_place(parser: argparse.ArgumentParser) -> None:
    """Let the command be about a deployed stack."""
    parser.add_argument(
        "--aws", action="store_true", help="use the deployed stack, with boto3's region and credentials"
    )
    parser.add_argument("--stack-name", type=plain_text, metavar="NAME", help="with --aws (hpc:stack_name of cdk.json)")


def add_assembly(options: "argparse._ActionsContainer", used: str = "run") -> None:
    """Let the command use another cloud assembly than that of the sources."""
    meaning = f"cloud assembly to {used} (synthesized when sources changed)"
    options.add_argument("--assembly", metavar="DIR", help=meaning)


def add_run_name(parser: argparse.ArgumentParser) -> None:
    """Let the command take the name of a run, or the latest run."""
    parser.add_argument("run", type=plain_text, nargs="?", metavar="RUN", help="its name or ARN (the latest run)")


def add_output(parser: argparse.ArgumentParser, *forms: str, meaning: str) -> None:
    """Let the command write other forms than text."""
    parser.add_argument("--output", choices=("text", *forms), default="text", help=meaning)


def _check_place(args: argparse.Namespace) -> None:
    given = vars(args)
    if given.get("stack_name") is not None and not args.aws:
        args.parser.error("--stack-name needs --aws")
    if given.get("assembly") is not None and given.get("aws"):
        args.parser.error("--assembly can't be given with --aws, where the deployed stack runs")
