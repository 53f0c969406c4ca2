"""The requests of every trace, and the fleet and targets that they meet. Reads the folder of measurements.

`traces` lists them; `recorded` are logs, `servegen` production statistics, `scripted` what is written down. Nothing
here knows which controllers are compared.
"""
