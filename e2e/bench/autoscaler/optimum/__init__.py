"""The cheapest that a fleet could do that knows all arrivals, from below and from above. Pure.

`bound` is what no schedule goes below, `schedule` one that exists. No controller is judged here: `jobs` asks, `report`
compares.
"""
