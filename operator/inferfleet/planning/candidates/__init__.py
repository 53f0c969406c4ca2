"""Every way to serve a workload: pools, variants, engines, parallelism, and what providers offer. Pure.

Nothing here says whether a way is any good: `rules` and `evaluate` do.
"""
