"""What autoscalers do on recorded traffic, beside each other and the offline optimum. Nothing here runs in a cluster.

`traffic` is what comes and the fleet that it meets, `baselines` the other controllers, `ours` the operator's, `optimum`
what no controller can beat, `gate` whether the simulator may be believed, `pace` how long our own work takes. `cells`
plays one controller on one trace, `jobs` all that is played for a trace, `kept` what was done before, `work` runs them;
`report` and `pictures` show. No law and no simulator live here: they are `inferfleet.scaling` and `inferfleet.sim`.
"""
