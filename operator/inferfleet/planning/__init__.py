"""Choosing where a workload runs: memory fit, predicted speed, price, and the reasons. Pure.

`ways` and `types` are the inputs and results, `candidates` every way to serve, `rules` the ordered reasons to reject
one, `evaluate` what it would do and cost, `choose` the choice for one workload among what remains, `options` the same
as input of the program that decides for all of them.
"""
