"""Choosing where a workload runs: memory fit, predicted speed, price, and the reasons. Pure.

`types` are the inputs and results, `performance` the formulas, `rules` the ordered reasons to
reject a candidate, `choose` the choice among what remains.
"""
