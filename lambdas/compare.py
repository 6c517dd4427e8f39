"""Compare checks that the totals of an entry agree on every back end."""

import hashlib
import logging
from dataclasses import dataclass
from typing import Any

from lambdas.contract.back_ends import BACK_ENDS
from lambdas.items.inputs import S3_URI
from lambdas.run_files import environment, storage
from lambdas.run_files.errors import InvalidEventError, TotalsDisagreeError
from lambdas.run_files.json_text import counted, shown

LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.INFO)
JSON_RESULT = "/result.json"


@dataclass(frozen=True)
class Total:
    """Result of a run: digest of the whole, and the text where it is JSON text."""

    file: str
    count: int
    sha256: str
    text: str | None

    def summary(self, total_characters: int) -> dict[str, Any]:
        """Return the total itself where it is short, else where it is."""
        if self.text is not None and len(self.text) <= total_characters:
            return {"total": self.text}
        return {"total_file": self.file, "sha256": self.sha256}


def handler(event: Any, _context: Any) -> dict[str, Any]:
    r"""Compare what the back ends gave for the same input.

    Parameters
    ----------
    event
        ::

            {"name": str, "total_characters": int,
             "results": {<back end>: {"result_file": "s3://...", "count": int, "failed": int}, ...}}

    Returns
    -------
    dict
        ::

            {"name": str, "agree": true, "count": int,
             "totals": {<back end>: {"total": "<JSON text>"} | {"total_file": "s3://...", "sha256": str}, ...}}

    Raises
    ------
    TotalsDisagreeError
        If they are not all the same.
    """
    try:
        name, limit, results = event["name"], event["total_characters"], event["results"]
        totals = {back_end: read_total(results[back_end]) for back_end in BACK_ENDS}
    except (KeyError, TypeError) as error:
        raise InvalidEventError(f"compare takes name, total_characters and results, got {shown(event)}") from error
    if not isinstance(name, str) or type(limit) is not int:
        raise InvalidEventError(f"name must be a text and total_characters an integer, got {shown([name, limit])}")
    if len({(total.sha256, total.count) for total in totals.values()}) > 1:
        given = "; ".join(
            f"{back_end} {counted(total.count, 'item')}, sha256 {total.sha256}, {total.file}"
            for back_end, total in totals.items()
        )
        raise TotalsDisagreeError(f"entry {name} has different totals: {given}")
    LOGGER.info("totals agree", extra={"entry": name})
    return {
        "name": name,
        "agree": True,
        "count": totals["lambda"].count,
        "totals": {back_end: total.summary(limit) for back_end, total in totals.items()},
    }


def read_total(result: dict[str, Any]) -> Total:
    """Read the file that Sum named: result.json holds the text, other files are the result themselves."""
    file, count = result["result_file"], result["count"]
    if type(count) is not int:
        raise TypeError("count must be an integer")
    match = S3_URI.fullmatch(file)
    bucket = environment.results_bucket()
    if match is None or match["bucket"] != bucket or not (match["key"] or "").startswith("runs/"):
        raise InvalidEventError(f"a result must be in s3://{bucket}/runs/, got {shown(file)}")
    if file.endswith(JSON_RESULT):
        kept = storage.get_json(bucket, match["key"])
        text = kept.get("result")
        typed = kept.get("typed_result", text)
        if not isinstance(typed, str) or not isinstance(text, str | None):
            raise TypeError("a result in result.json must be a text")
        return Total(file, count, hashlib.sha256(typed.encode()).hexdigest(), text)
    digest = hashlib.sha256()
    for block in storage.read_blocks(bucket, match["key"]):
        digest.update(block)
    return Total(file, count, digest.hexdigest(), None)
