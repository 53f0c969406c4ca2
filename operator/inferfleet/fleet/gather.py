"""What informers hold, as the stores that `observe` reads: apart from it, since it knows nothing of the API server."""

from collections.abc import Callable

from inferfleet.fleet.observe import Store, Stores
from inferfleet.kube import kinds
from inferfleet.kube.kinds import Kind


def gather(held: Callable[[Kind], Store]) -> Stores:
    """What `held` gives of each kind."""
    return Stores(
        namespaces=held(kinds.NAMESPACE),
        models=held(kinds.MODEL),
        classes=held(kinds.WORKLOAD_CLASS),
        pools=held(kinds.HARDWARE_POOL),
        profiles=held(kinds.CAPACITY_PROFILE),
        nodes=held(kinds.NODE),
        deployments=held(kinds.DEPLOYMENT),
        services=held(kinds.SERVICE),
        config_maps=held(kinds.CONFIG_MAP),
        disruption_budgets=held(kinds.POD_DISRUPTION_BUDGET),
        network_policies=held(kinds.NETWORK_POLICY),
        pods=held(kinds.POD),
    )
