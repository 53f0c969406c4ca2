"""The Service of a workload: selects the pods of every placement that serves it. Pure."""

from inferfleet import names
from inferfleet.fleet.build.meta import child
from inferfleet.fleet.build.view import ModelView
from inferfleet.fleet.types import Obj
from inferfleet_runtime.contract import PORT


def service(model: ModelView, class_: str, label: str) -> Obj:
    """One stable address per workload, whatever serves it: pods of this class label."""
    ports = [{"name": "http", "port": names.SERVICE_PORT, "protocol": "TCP", "targetPort": PORT}]
    return child(
        model,
        "Service",
        names.service_name(model.name, class_),
        {names.LABEL_CLASS: class_},
        {
            "spec": {
                "type": "ClusterIP",
                "selector": names.workload_labels(model.name, label),
                "ports": ports,
            }
        },
    )
