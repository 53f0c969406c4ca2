"""The fleet's decisions without a cluster, over users' files: what `inferfleet plan`, `diff` and `explain` say.

Decisions are the operator's own (`fleet.validate`, `fleet.plan`): here is what stands in for the cluster (`world`,
`assume`, `snapshot`) and what is made of the result (`report`, `compare`, `render`). Nothing here talks to a cluster.
"""
