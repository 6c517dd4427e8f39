"""Prices: from prices.json, dated and with sources, to USD a unit in one Region."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hpc.errors import NotStartedError
from hpc.planning.ranges import Range

PRICES_FILE = Path(__file__).with_name("prices.json")


@dataclass(frozen=True)
class Price:
    """USD of one unit; ``confirmed`` is false where no source of AWS, or quoting AWS, was at hand."""

    usd: Range
    unit: str
    confirmed: bool
    source: str


@dataclass(frozen=True)
class Prices:
    """All prices of one Region, by name."""

    region: str
    as_of: str
    by_name: Mapping[str, Price]

    def __getitem__(self, name: str) -> Price:
        return self.by_name[name]


def read_prices(region: str) -> Prices:
    """Return the prices of a Region.

    Raises
    ------
    NotStartedError
        If the file has none for it: those of another Region would be a wrong number.
    """
    document = json.loads(PRICES_FILE.read_text(encoding="utf-8"))
    regions = document["regions"]
    if region not in regions:
        raise NotStartedError(
            f"no prices for the region '{region}': hpc/planning/prices.json has {', '.join(sorted(regions))}"
        )
    return Prices(region, document["as_of"], {name: _price(entry) for name, entry in regions[region].items()})


def _price(entry: Mapping[str, str | int | bool]) -> Price:
    per = float(entry["per"])
    usd = float(entry["usd"])
    low, high = float(entry.get("low_usd", usd)), float(entry.get("high_usd", usd))
    return Price(
        Range(low / per, usd / per, high / per), str(entry["unit"]), bool(entry["confirmed"]), str(entry["source"])
    )
