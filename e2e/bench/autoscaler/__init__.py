"""What autoscalers do on recorded traffic: traces, other controllers, the offline optimum. Nothing here runs in a
cluster.
"""
