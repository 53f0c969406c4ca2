"""Statements of cost for people and tools: from statuses or Prometheus's sums to a table, JSON and FOCUS.

Pure. `rows` is what a statement has, `from_status` and `from_prometheus` make one of what was read, `table`, `as_json`
and `focus` are its forms. Nothing here reads a file or the network: `cli` does.
"""
