"""What a candidate would do and cost: memory, latency with its interval, throughput, prices. Pure.

A function of what is passed; `memo` remembers results by content for whoever passes one.
"""
