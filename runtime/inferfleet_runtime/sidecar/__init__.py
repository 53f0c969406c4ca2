"""Beside a vendor's engine in its pod: truthful health, series under the canonical names, adapters, and drain.

Nothing here is in the path of a token: clients talk to the engine itself.
"""
