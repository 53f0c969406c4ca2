"""What a fleet costs in dollars and joules, by Model, class, pool and tenant, and statements of it. Pure.

`accounts` books what an interval of a pod cost, `tenants` who used it, `growth` how many tokens it made, `mean` what it
costs lately; `statement` makes tables and files of what was booked. No prices live here (they are HardwarePools'), and
nothing reads a cluster or Prometheus.
"""
