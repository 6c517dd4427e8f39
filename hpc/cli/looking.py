"""The commands that look at runs, as a person types them."""

import argparse

from hpc.cli.arguments import integer, integer_within, item_or_function, plain_text, port
from hpc.cli.command import PLACE, RUN_OR_LATEST, Command, option, output
from hpc.commands.inputs import MAX_EXACT_INTEGER

STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
NO_SERVER = "Without --aws it looks at the runs of this machine; none of them need be running."
LIST = "the list; json is one object a line"


_LIMIT = integer_within(1, MAX_EXACT_INTEGER)


def _check_failures(args: argparse.Namespace) -> None:
    if args.raw and args.output != "csv":
        args.parser.error("--raw needs --output csv: json is always exact")


RUNS = Command(
    name="runs",
    function="hpc.commands.runs:runs",
    summary="list the runs, the latest first",
    description=f"List the runs, the latest first.\n{NO_SERVER}",
    examples=("hpc runs --limit 5", "hpc runs --status FAILED --output json"),
    options=(
        option("--limit", type=_LIMIT, default=20, metavar="N", help="most runs to list (20)"),
        option("--status", choices=STATUSES, help="only runs of this status"),
        option("--cost", action="store_true", help="also what each cost, which asks for all that it started"),
        output("json", meaning=LIST),
        *PLACE,
    ),
)

STATUS = Command(
    name="status",
    function="hpc.commands.status:status",
    summary="show how a run is doing, live on a terminal",
    description="Show counts, rate, time left, concurrency, the children that have run longest, and the cost so far.\n"
    "For an orchestration, show the executions that it started. The cost of a local run is what AWS\n"
    "would have charged. On a terminal, the command follows a running run; Ctrl-C ends the command,\n"
    "never the run.",
    examples=("hpc status", "hpc status run-20261122T041345-9c5dab --aws --output json"),
    options=(RUN_OR_LATEST, output("json", meaning="the status"), *PLACE),
)

RESULT = Command(
    name="result",
    function="hpc.commands.result:result",
    summary="print the result of a run that has ended",
    description=f"Print what hpc run printed when the run ended.\n{NO_SERVER}",
    examples=("hpc result", "hpc result 9c5dab --output json", "hpc result latest --save picture.png"),
    options=(
        RUN_OR_LATEST,
        output("json", meaning="the result"),
        option("--save", type=plain_text, metavar="FILE", help="also write the whole result to a new file"),
        option("--limit", type=_LIMIT, metavar="N", help="most characters of the result to print (200, 60 digits)"),
        *PLACE,
    ),
)

FAILURES = Command(
    name="failures",
    function="hpc.commands.failures:failures",
    summary="list the failed items of a run, with their errors",
    description="List every failed item: index, input, error, cause, attempts of its batch.\n"
    "The text groups items whose errors differ only in numbers.",
    examples=("hpc failures", "hpc failures --output csv > failed.csv"),
    options=(
        RUN_OR_LATEST,
        output("json", "csv", meaning=LIST),
        option("--raw", action="store_true", help="with csv: exact values for a program, not safe in a spreadsheet"),
        *PLACE,
    ),
    check=_check_failures,
)

REPLAY = Command(
    name="replay",
    function="hpc.commands.replay:replay",
    summary="compute an item of a run, or call its combine or finish, again on this machine",
    description="Compute one item of a run on this machine, in a process of its own and with the run's params, or\n"
    "call combine or finish with the run's results. The run does not change. The workload is that of\n"
    "the project, or the copy of the file that the run has. If combine raised while a batch was\n"
    "computed, the items of the batch are computed again first.",
    examples=(
        "hpc replay run-20261122T041345-9c5dab 27",
        "hpc replay run-20261122T041345-9c5dab 27 --debug --workload my_model.py",
        "hpc replay latest finish --debug",
    ),
    options=(
        option("run", type=plain_text, metavar="RUN", help="its name, the end of it, ARN, or latest"),
        option("index", type=item_or_function, metavar="INDEX", help="number of the item, or combine, or finish"),
        option(
            "--debug",
            action="store_true",
            help="stop at the function's first line under Python's pdb; for combine, in the call that raises",
        ),
        option("--workload", type=plain_text, metavar="FILE", help="a changed file of the same workload"),
        *PLACE,
    ),
)

LOGS = Command(
    name="logs",
    function="hpc.commands.logs:logs",
    summary="print what the handlers logged",
    description="Print what the workload printed during a run, and errors, with the time and the items; --raw has all\n"
    "that the handlers and jobs wrote, whatever falls into that time, other runs included. With INDEX,\n"
    "exactly what was written while the batch with that item was computed, each time that it was. With\n"
    "--aws the lines come from CloudWatch Logs, else from files of this machine, where printed lines\n"
    "have no time of their own: those that may be of that time are shown.",
    examples=("hpc logs", "hpc logs latest 27", "hpc logs --follow", "hpc logs 9c5dab 27 --raw --aws"),
    options=(
        RUN_OR_LATEST,
        option("index", type=integer, nargs="?", metavar="INDEX", help="number of an item (the whole run)"),
        option("--run", dest="named_run", type=plain_text, metavar="RUN", help="the same as RUN before INDEX"),
        option("--raw", action="store_true", help="all lines, with those of Lambda itself"),
        option("--follow", action="store_true", help="go on with new lines until the run has ended"),
        *PLACE,
    ),
)

REPORT = Command(
    name="report",
    function="hpc.commands.report:report",
    summary="write the report of a run, one HTML file",
    description="Write one HTML file that needs no network. It shows the state graphs with outcomes, a timeline of\n"
    "child executions and jobs, durations and stragglers, failures, the cost beside the estimate of\n"
    "hpc plan, and the settings. The command prints the path of the file on stdout.",
    examples=("hpc report", "hpc report run-20261122T041345-9c5dab -o /tmp/first.html"),
    options=(
        RUN_OR_LATEST,
        option(
            "-o", "--out", type=plain_text, default="report.html", metavar="FILE", help="file to write (report.html)"
        ),
        *PLACE,
    ),
)

UI = Command(
    name="ui",
    function="hpc.ui.command:ui",
    summary="watch runs in the browser",
    description="Serve a page on loopback and open it in the browser: the runs, one run as it goes with its\n"
    "failures, logs and report, and what a plan would cost. Only the address that is printed, with its\n"
    "token, opens it. It only looks, unless --allow-changes lets it stop and redrive runs. Ctrl-C ends\n"
    "the page, never a run.",
    examples=("hpc ui", "hpc ui --aws --allow-changes", "hpc ui --no-browser --port 8099"),
    options=(
        option("--allow-changes", action="store_true", help="let the page stop and redrive runs"),
        option("--no-browser", action="store_true", help="only print the address"),
        option("--port", type=port, default=0, metavar="P", help="port on 127.0.0.1 (any that is free)"),
        *PLACE,
    ),
)
