"""Fitting the performance model to measurements, and scoring it. Reads data; not used by the operator or in plans.

`inferfleet.performance` evaluates what comes out of here and does not import it.
"""
