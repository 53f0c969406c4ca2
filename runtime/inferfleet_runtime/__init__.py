"""The serving runtime: what runs in every model pod. It never imports the operator.

`contract.py` and `engines/` are pure and shared with the operator, so that what is rendered and
what runs cannot differ.
"""

__version__ = "0.2.0"
