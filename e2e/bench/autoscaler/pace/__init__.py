"""How long the operator's own work takes in this process: rounds of decisions, and reading pods' pages.

`decisions` and `scrape` read the processor's clock, `vllm_page` makes what is read. Nothing here says how well a law
decides.
"""
