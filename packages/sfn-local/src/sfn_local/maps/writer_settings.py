"""``ResultWriter`` of a Map state with its paths resolved, and whether it can write.

**Differs from AWS:** the service writes a test manifest, we only look whether the bucket is there and the role may
write; the wording after the first sentence is ours.
"""

from collections.abc import Mapping

from sfn_local.language import Json
from sfn_local.language.errors import ResultWriterFailedError
from sfn_local.maps.item_reader import ObjectSource
from sfn_local.maps.result_writer import WriterSettings, results_folder
from sfn_local.protocol import ServiceError

_PARAMETERS = ("Bucket", "Prefix")


def writer_settings(parameters: Json, config: Mapping[str, Json]) -> WriterSettings:
    """Resolve a ResultWriter; where ``parameters`` is None only the state's output is formatted.

    Raises
    ------
    ResultWriterFailedError
        If they are no object, or one of them is unknown, missing or no text.
    """
    # Source: developer guide: NONE is the default of an export, COMPACT that of a state's output.
    transformation = config.get("Transformation", "COMPACT" if parameters is None else "NONE")
    output_type = config.get("OutputType", "JSON")
    if parameters is None:
        return WriterSettings(bucket=None, prefix="", transformation=transformation, output_type=output_type)
    if not isinstance(parameters, dict):
        raise ResultWriterFailedError(f"the parameters of ResultWriter must be an object, got {parameters!r}")
    for name, value in parameters.items():
        if name not in _PARAMETERS:
            allowed = ", ".join(_PARAMETERS)
            raise ResultWriterFailedError(f"parameter {name} of ResultWriter is not supported; allowed: {allowed}")
        if not isinstance(value, str):
            raise ResultWriterFailedError(f"parameter {name} of ResultWriter must be a text, got {value!r}")
    if not parameters.get("Bucket"):
        raise ResultWriterFailedError("parameter Bucket of ResultWriter is missing")
    return WriterSettings(
        bucket=parameters["Bucket"],
        prefix=parameters.get("Prefix", ""),
        transformation=transformation,
        output_type=output_type,
    )


def check_writable(settings: WriterSettings, objects: ObjectSource, map_run_arn: str) -> None:
    """Refuse a place that can't be written to before any child starts; raises :class:`ResultWriterFailedError`."""
    if settings.bucket is None:
        return
    try:
        objects.check_writable(settings.bucket, f"{results_folder(settings, map_run_arn)}/manifest.json")
    except ServiceError as error:
        raise ResultWriterFailedError(
            f"Failed to write a test manifest into the specified output bucket. {error}"
        ) from error
