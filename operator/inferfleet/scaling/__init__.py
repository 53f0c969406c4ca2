"""How many replicas a workload gets: signals, demand, the capacity ledger and the control law. Pure."""
