"""Fields of a Map state, compiled once: where its items come from, how they are shaped, where results go."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from sfn_local.execution.express import check_express
from sfn_local.language import Json
from sfn_local.language.invalid import InvalidDefinition
from sfn_local.language.map_fields import Evaluate, Items, compile_items, compile_value
from sfn_local.language.settings import Setting, compile_setting


@dataclass(frozen=True, slots=True)
class ReaderFields:
    """``ItemReader``; ``config`` without MaxItems."""

    resource: str
    parameters: Evaluate
    config: Mapping[str, Json]
    max_items: Setting | None


@dataclass(frozen=True, slots=True)
class BatcherFields:
    """``ItemBatcher``."""

    batch_input: Evaluate | None
    max_items: Setting | None
    max_bytes: Setting | None


@dataclass(frozen=True, slots=True)
class WriterFields:
    """``ResultWriter``; ``parameters`` is None where only the state's output is formatted."""

    parameters: Evaluate | None
    config: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class MapFields:
    """Fields of a Map state besides its item processor.

    Attributes
    ----------
    label : str
        ``Label``, or the one that is generated where the state has none: a UUID, as recorded.
    """

    label: str
    items: Items
    reader: ReaderFields | None
    batcher: BatcherFields | None
    writer: WriterFields | None


def compile_map_fields(name: str, fields: Mapping[str, Json], is_jsonata: bool) -> MapFields:
    """Compile the fields of a checked Map state.

    Raises
    ------
    InvalidDefinition
        If its children are Express executions that wait for a callback or a job, or have a Distributed Map.
    """
    _check_children(name, fields)
    return MapFields(
        label=fields.get("Label") or str(uuid.uuid3(uuid.NAMESPACE_OID, name)),
        items=compile_items(fields, is_jsonata),
        reader=_compile_reader(fields["ItemReader"], is_jsonata) if "ItemReader" in fields else None,
        batcher=_compile_batcher(fields["ItemBatcher"], is_jsonata) if "ItemBatcher" in fields else None,
        writer=_compile_writer(fields["ResultWriter"], is_jsonata) if "ResultWriter" in fields else None,
    )


def _check_children(name: str, fields: Mapping[str, Json]) -> None:
    processor = fields.get("ItemProcessor", {})
    if processor.get("ProcessorConfig", {}).get("ExecutionType") == "EXPRESS":
        try:
            check_express(processor)
        except InvalidDefinition as refusal:
            raise InvalidDefinition(f"/States/{name}/ItemProcessor{refusal.place}", refusal.reason) from None


def _arguments(fields: Mapping[str, Json], name: str, is_jsonata: bool) -> Evaluate:
    field = "Arguments" if is_jsonata else "Parameters"
    return compile_value(fields.get(field, {}), f"{name}/{field}", is_jsonata)


def _compile_reader(fields: Mapping[str, Json], is_jsonata: bool) -> ReaderFields:
    config = fields.get("ReaderConfig", {})
    return ReaderFields(
        resource=fields["Resource"],
        parameters=_arguments(fields, "ItemReader", is_jsonata),
        config={name: value for name, value in config.items() if not name.startswith("MaxItems")},
        max_items=compile_setting(config, "MaxItems", is_jsonata),
    )


def _compile_batcher(fields: Mapping[str, Json], is_jsonata: bool) -> BatcherFields:
    batch_input = fields.get("BatchInput")
    return BatcherFields(
        batch_input=None if batch_input is None else compile_value(batch_input, "ItemBatcher/BatchInput", is_jsonata),
        max_items=compile_setting(fields, "MaxItemsPerBatch", is_jsonata),
        max_bytes=compile_setting(fields, "MaxInputBytesPerBatch", is_jsonata),
    )


def _compile_writer(fields: Mapping[str, Json], is_jsonata: bool) -> WriterFields:
    has_bucket = "Resource" in fields
    return WriterFields(
        parameters=_arguments(fields, "ResultWriter", is_jsonata) if has_bucket else None,
        config=fields.get("WriterConfig", {}),
    )
