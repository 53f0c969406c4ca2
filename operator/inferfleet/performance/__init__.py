"""How fast a replica is, with an interval, and how much memory and power it takes.

Formulas and the evaluation of fitted coefficients live here, pure; reading data and fitting do not (`fitting`).
"""
