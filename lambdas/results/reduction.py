"""Reduces the records of a run to its result: combined in any order, or collected in the order of items."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

from lambdas.contract.limits import MAX_OUTPUT_BYTES
from lambdas.results.batch_coverage import Coverage, State
from lambdas.results.combining import Combiner
from lambdas.results.part_reading import NO_RESULT, Listed, listed_results, load_part, part_result, single_result
from lambdas.results.records import Record, interpret
from lambdas.results.result_files import Place, ResultFile
from lambdas.run_files import json_text, storage
from lambdas.run_files.errors import ResultFileError
from lambdas.run_files.failures import Failure
from lambdas.run_files.object_writer import ObjectWriter
from lambdas.run_files.runs import RunSettings
from lambdas.values import typed_json

BLOCK_BYTES = 1024 * 1024
MAX_BLOCKS = 64
# The failure of items whose batch left no record: the run ended before.
NOT_COMPUTED = Failure("PENDING", "the run ended before the item was computed")


class Combining:
    """Folds results with the workload's ``combine`` in the order in which they come."""

    def __init__(self, bucket: str, combine: Callable[[Any, Any], Any], workload_file: str) -> None:
        self._bucket = bucket
        self._combine = Combiner(combine, workload_file)
        self._has_value = False
        self.value: Any = None

    def take(self, record: Record, run: str) -> None:
        """Combine what a record of a run holds."""
        for part in record.parts:
            loaded = load_part(self._bucket, run, part)
            if "result" not in loaded:
                continue
            value = part_result(self._bucket, run, loaded)
            if self._has_value:
                self.value = self._combine(self.value, value, f"items {part['first']} and on")
            else:
                self.value, self._has_value = value, True


class Blocks:
    """Result files in blocks, of which those are kept that were used last: by all runs of a chain together.

    Records stand in about the order in which their children ended, so neighbours are mostly in the same blocks.
    """

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.read = functools.lru_cache(maxsize=MAX_BLOCKS)(self._read)

    def _read(self, key: str, number: int) -> bytes:
        return storage.read_range(self.bucket, key, number * BLOCK_BYTES, BLOCK_BYTES)[0]


class RecordReader:
    """Reads records of a run again by their place."""

    def __init__(self, blocks: Blocks, settings: RunSettings, files: list[ResultFile]) -> None:
        self.bucket = blocks.bucket
        self.run = settings.name
        self._blocks = blocks
        self._files = files

    def record(self, place: Place) -> Record:
        """Return the record at ``place``."""
        file = self._files[place.file_number]
        begin, end = place.offset, place.offset + place.size_bytes
        numbers = range(begin // BLOCK_BYTES, (end - 1) // BLOCK_BYTES + 1)
        data = b"".join(self._blocks.read(file.key, number) for number in numbers)
        start = begin - numbers[0] * BLOCK_BYTES
        try:
            value = json_text.parse(data[start : start + place.size_bytes].decode())
        except ValueError as error:
            raise ResultFileError(f"s3://{self.bucket}/{file.key} changed while it was read") from error
        return interpret(value, self.run, file.status)

    def failed_items(self, coverage: Coverage) -> Iterator[tuple[int, Failure]]:
        """Yield position and failure of every item without a result, in order."""
        for batch, state, place in coverage.batches():
            if state == State.SUCCEEDED:
                continue
            if state == State.UNSEEN:
                yield from ((index, NOT_COMPUTED) for index in range(batch.first, batch.end))
                continue
            record = self.record(place)
            if record.failure is not None:
                yield from ((index, record.failure) for index in range(batch.first, batch.end))
                continue
            for part in record.parts:
                for failure in load_part(self.bucket, self.run, part).get("failed", ()):
                    yield failure["index"], Failure.from_json(failure)

    def results(self, coverage: Coverage) -> Iterator[Any]:
        """Yield the result of every item in order, as ``Listed``: ``NO_RESULT`` for one without."""
        for batch, state, place in coverage.batches():
            if state in (State.UNSEEN, State.FAILED, State.PENDING):
                yield from (NO_RESULT for _ in range(batch.count))
                continue
            record = self.record(place)
            if record.is_single:
                yield single_result(self.bucket, self.run, record.parts[0])
                continue
            for part in record.parts:
                yield from listed_results(self.bucket, self.run, load_part(self.bucket, self.run, part))


class Collecting:
    """Writes every result that passes through to results.jsonl, and keeps them while they are short.

    Parameters
    ----------
    items
        The items of the run as JSON, in their order.
    """

    def __init__(self, writer: ObjectWriter, items: Iterator[bytes]) -> None:
        self._writer = writer
        self._items = items
        self._texts: list[str] | None = []
        self._characters = 0

    def through(self, results: Iterator[Any]) -> Iterator[Any]:
        """Yield what ``results`` yields, once it is written."""
        for index, (result, item) in enumerate(zip(results, self._items, strict=True)):
            if result is NO_RESULT:
                self._writer.write(b'{"index":%d,"item":%b,"failed":true}\n' % (index, item))
                self._keep("null")
            elif result.is_tagged:
                text = json_text.to_text(typed_json.readable(result.tree))
                typed = b"" if text == result.text else b',"typed_result":%b' % result.text.encode()
                self._writer.write(b'{"index":%d,"item":%b,"result":%b%b}\n' % (index, item, text.encode(), typed))
                self._keep(_text_as_json(result, text))
            else:
                self._writer.write(b'{"index":%d,"item":%b,"result":%b}\n' % (index, item, result.text.encode()))
                if self._texts is not None:
                    self._keep(result.text)
            yield result

    def _keep(self, text: str) -> None:
        if self._texts is None:
            return
        self._texts.append(text)
        self._characters += len(text) + 1
        if self._characters > MAX_OUTPUT_BYTES:
            self._texts = None

    @property
    def text(self) -> str | None:
        """All results as one JSON list; None if that is too long for a state."""
        return None if self._texts is None else f"[{','.join(self._texts)}]"


def _text_as_json(result: Listed, text: str) -> str:
    """Return a result as plain JSON; as it is in results.jsonl where JSON can't hold it or its text does not."""
    try:
        return json_text.to_text(typed_json.as_json(typed_json.untagged(result.tree, _no_block)))
    except ValueError:
        return text


def _no_block(tag: str, _pointer: Any) -> Any:
    raise ValueError(f"{tag} is not in the text")


def loaded(results: Iterator[Any]) -> Iterator[Any]:
    """Yield what ``finish`` gets: None for an item without a result; blocks are read when their turn comes."""
    return (None if result is NO_RESULT else result.load() for result in results)
