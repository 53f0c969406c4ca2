"""The placement program of a fleet: how many replicas of which option carry which share of which demand.

Numbers and keys only: nothing here knows of Kubernetes, Models, engines or where prices come from, so that the
operator, the offline planner and the benchmarks decide by the same code. Pure, but for `process.py`, which runs a
solver in a child.
"""
