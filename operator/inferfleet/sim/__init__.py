"""Discrete-event simulation of replicas that serve language models, on which the scaling law runs unchanged. Pure."""
