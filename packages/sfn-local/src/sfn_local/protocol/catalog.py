"""The APIs of services by the name that requests are signed for."""

from __future__ import annotations

from functools import cache

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from sfn_local.protocol.faults import BATCH_FAULTS, JSON_FAULTS, S3_FAULTS
from sfn_local.protocol.json_api import JsonApi
from sfn_local.protocol.rest_api import RestJsonApi, RestXmlApi
from sfn_local.protocol.service_api import ServiceApi

_PROTOCOLS: dict[str, type[ServiceApi]] = {"json": JsonApi, "rest-json": RestJsonApi, "rest-xml": RestXmlApi}
_FAULTS = {"s3": S3_FAULTS, "batch": BATCH_FAULTS}

# Where botocore's data has another name than the one that requests are signed for.
_MODEL_NAMES = {"states": "stepfunctions"}


@cache
def load_api(signing_name: str) -> ServiceApi:
    """Load the API of a service from botocore's own models."""
    model = service_model(_MODEL_NAMES.get(signing_name, signing_name))
    return _PROTOCOLS[model.resolved_protocol](model, _FAULTS.get(signing_name, JSON_FAULTS))


def service_shape(service: str, name: str) -> Shape:
    """Return a shape of a service's model."""
    return service_model(service).shape_for(name)


@cache
def service_model(name: str) -> ServiceModel:
    """Load botocore's own model of a service, never one from a user's ``~/.aws/models``."""
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model(name, "service-2"), name)
