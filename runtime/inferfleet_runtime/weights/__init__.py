"""How a model's bytes reach a pod and become the file that is served: fetch, verify, cache, quantize.

Nothing here serves.
"""
