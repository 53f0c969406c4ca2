"""Other autoscalers, from their published formulas, and how each is tuned. Pure but for what they remember.

`arms` lists them; `hpa`, `request_based`, `llmd` and `wva` are a family each, `sight` and `periodic` what they share.
A baseline knows what its original would see of a pool's pods and nothing of our law, which may not be imported here.
"""
