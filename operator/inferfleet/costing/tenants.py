"""Whose tokens they were, and what these cost. Pure.

Pods count a tenant's tokens when a request ends; the cost arises while it runs. So what is used goes into a pot, with
the tokens that were made for it, and a tenant that claims tokens takes the share of the pot that they are. All claims
together are never more than what was used. What nobody claims within about an hour was used by nobody who has a name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, isfinite

from inferfleet.costing.accounts import used_watts
from inferfleet.costing.types import HOUR, Sum, TenantAccount, Tokens, Use
from inferfleet_runtime.contract import Metric

MOST = 200
"""Tenants of a Model with series of their own, as in the pods."""
OTHERS = "other"
KEPT_SECONDS = 3600.0
"""Time constant in which a pot without claims empties."""

_MARK = b"inferfleet:tenant_"
_FIELDS = {Metric.TENANT_PROMPT_TOKENS.encode(): "prompted", Metric.TENANT_GENERATION_TOKENS.encode(): "generated"}
_NAMES = b"|".join(map(re.escape, _FIELDS))
_LINE = re.compile(rb"^(" + _NAMES + rb")\{(?:.*,)?tenant=\"([A-Za-z0-9._-]{1,63})\".*\} (\S+)", re.MULTILINE)
"""Names of tenants need no escapes (`inferfleet_runtime.api.caller`)."""


@dataclass(frozen=True)
class Pot:
    """What was used and not claimed yet."""

    usd: float = 0.0
    joules: float = 0.0
    weight: float = 0.0
    """Tokens that it was used for, weighed."""


def parse(page: bytes) -> dict[str, Tokens]:
    """Totals by tenant of a pod's metrics; empty where no gateway names tenants. What is no number is left out."""
    first = page.find(_MARK)
    if first < 0:
        return {}
    found: dict[str, Tokens] = {}
    # they come together, and a page may have 60 kB of others before
    for name, tenant, text in _LINE.findall(page[first:]):
        if (value := _number(text)) is not None:
            key = tenant.decode()
            found[key] = found.get(key, Tokens()) + Tokens(**{_FIELDS[name]: value})
    return found


def _number(text: bytes) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and value >= 0 else None


def claimed(before: Mapping[str, Tokens] | None, after: Mapping[str, Tokens]) -> dict[str, Tokens]:
    """Growth by tenant between two scrapes of a pod; nothing of one that is seen for the first time."""
    if before is None:
        return {}
    found = {tenant: _grown(before.get(tenant, Tokens()), total) for tenant, total in after.items()}
    return {tenant: tokens for tenant, tokens in found.items() if tokens != Tokens()}


def _grown(before: Tokens, after: Tokens) -> Tokens:
    pairs = ((before.prompted, after.prompted), (before.generated, after.generated))
    return Tokens(*(new - old if new >= old else new for old, new in pairs))


def named(known: frozenset[str], tenants: Mapping[str, Tokens]) -> tuple[frozenset[str], dict[str, Tokens]]:
    """With those that are too many under one name; and who has a name of his own from now on."""
    found: dict[str, Tokens] = {}
    for tenant in sorted(tenants):
        if len(known) < MOST and tenant != OTHERS:
            known |= {tenant}
        name = tenant if tenant in known else OTHERS
        found[name] = found.get(name, Tokens()) + tenants[tenant]
    return known, found


def filled(pot: Pot, use: Use, seconds: float) -> Pot:
    """With what one pod used."""
    usd = (use.rate.usd_per_hour or 0.0) * seconds / HOUR * use.utilization
    joules = used_watts(use.rate, use.utilization) * seconds
    return Pot(pot.usd + usd, pot.joules + joules, pot.weight + use.weights.of(use.tokens))


def emptied(pot: Pot, seconds: float) -> Pot:
    """What is left of it after a time without claims."""
    left = exp(-seconds / KEPT_SECONDS)
    return Pot(pot.usd * left, pot.joules * left, pot.weight * left)


def settle(pot: Pot, claims: Mapping[str, tuple[Tokens, float]]) -> tuple[Pot, dict[str, Sum]]:
    """What each tenant pays for tokens of a weight, and what is left for others."""
    asked = sum(weight for _, weight in claims.values())
    # a claim for more than was made is of requests that had begun before this process did: it takes all there is
    whole = max(pot.weight, asked)
    paid = {
        tenant: Sum(
            usd=pot.usd * weight / whole if whole else 0.0,
            joules=pot.joules * weight / whole if whole else 0.0,
            prompted=tokens.prompted,
            generated=tokens.generated,
        )
        for tenant, (tokens, weight) in claims.items()
    }
    left = 1.0 - asked / whole if whole else 1.0
    return Pot(pot.usd * left, pot.joules * left, max(0.0, pot.weight - asked)), paid


def split(paid: Mapping[str, Sum], use: Use) -> dict[TenantAccount, Sum]:
    """By class, of a placement that serves several."""
    return {
        TenantAccount(use.namespace, use.model, class_, tenant): total * share
        for tenant, total in paid.items()
        for class_, share in use.shares.items()
    }
