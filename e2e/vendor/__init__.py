"""A stand-in for a vendor's engine: vLLM's command line, API and series, its habits at start and
end, and faults to order.

It knows only Python's standard library, so that its image is small; nothing here imports the project.
"""
