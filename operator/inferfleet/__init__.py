"""The control plane of Inferfleet: decides in pure modules, acts in few.

`api` holds the types users write, `catalog` the facts about hardware and models, `planning` and
`scaling` the decisions, `fleet` the five steps of a reconcile, `kube` everything that talks to an
API server. `handlers.py` is the only file that imports kopf.
"""

__version__ = "0.2.0"
