"""Charges as a CSV of the FinOps Open Cost and Usage Specification (FOCUS), version 1.2. Pure.

Columns, their feature levels and formats: https://focus.finops.org/focus-specification/v1-2/. All mandatory columns
are there, and the conditional ones for which there is something to say. Null is an empty field. A unit price times its
quantity is the cost, to the last digit, as the specification demands.
"""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

from inferfleet.costing.statement.rows import Charge, Facts

COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
    "x_EnergyJoules",
    "x_IdleCost",
    "x_InputTokens",
    "x_OutputTokens",
)
"""In the order of the specification, which is the alphabet's; our own at the end, under the prefix that it asks for."""
UNIT = "Accelerator-Hours"
SERVICE = "Inferfleet"
TAG_PREFIX = "inferfleet.io/"
"""Of what we say; tags without it are the users' own labels."""
_DIGITS = Decimal("0.000001")


@dataclass(frozen=True)
class Payer:
    """What the file says of who bills whom."""

    provider: str
    """Who makes the service available: the platform team, say."""
    account: str
    """The account that the bill is for: the cluster, say."""


def focus(charges: Iterable[Charge], payer: Payer, facts: Facts) -> str:
    """One line for each charge, CRLF at their ends as RFC 4180 says."""
    text = StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    for charge in charges:
        writer.writerow(_line(charge, payer, facts))
    return text.getvalue()


def _line(c: Charge, payer: Payer, facts: Facts) -> dict[str, str]:
    region = facts.regions.get(c.pool, "")
    return {
        **_money(c),
        **_times(c),
        "BillingAccountId": payer.account,
        "BillingAccountName": payer.account,
        "BillingCurrency": "USD",
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": f"{c.namespace}/{c.model} for {c.class_} on accelerators of pool {c.pool}",
        "ChargeFrequency": "Usage-Based",
        "InvoiceIssuerName": payer.provider,
        "ProviderName": payer.provider,
        "PublisherName": payer.provider,
        "RegionId": region,
        "RegionName": region,
        "ResourceId": f"{payer.account}/{c.namespace}/{c.model}/{c.class_}/{c.pool}",
        "ResourceName": f"{c.namespace}/{c.model}",
        "ResourceType": "Model",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": SERVICE,
        "ServiceSubcategory": "Generative AI",
        "SkuId": c.pool,
        "SkuPriceId": c.pool,
        "SubAccountId": c.namespace,
        "SubAccountName": c.namespace,
        "Tags": _tags(c, facts),
        **{name: number(Decimal(f"{value:.6f}")) for name, value in c.extra.items()},
    }


def _money(c: Charge) -> dict[str, str]:
    quantity = Decimal(repr(c.accelerator_hours)).quantize(_DIGITS)
    price = Decimal(repr(c.price if c.price is not None else c.usd / c.accelerator_hours)).quantize(_DIGITS)
    cost = number(quantity * price)
    return {
        **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), cost),
        **dict.fromkeys(("ContractedUnitPrice", "ListUnitPrice"), number(price)),
        **dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), number(quantity)),
        **dict.fromkeys(("ConsumedUnit", "PricingUnit"), UNIT),
        "PricingCategory": "Standard",
    }


def _times(c: Charge) -> dict[str, str]:
    month = c.start.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = month.replace(year=month.year + 1, month=1) if month.month == 12 else month.replace(month=month.month + 1)
    return {
        "BillingPeriodStart": _time(month),
        "BillingPeriodEnd": _time(after),
        "ChargePeriodStart": _time(c.start),
        "ChargePeriodEnd": _time(c.end),
    }


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _tags(c: Charge, facts: Facts) -> str:
    ours = {"class": c.class_, "model": c.model, "pool": c.pool}
    theirs = facts.tags.get((c.namespace, c.model), {})
    return json.dumps({**theirs, **{f"{TAG_PREFIX}{name}": value for name, value in ours.items()}}, sort_keys=True)


def number(value: Decimal) -> str:
    """Without an exponent, a sign of plus or zeros at the end."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
