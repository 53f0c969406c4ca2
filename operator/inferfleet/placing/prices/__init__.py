"""Large fleets: only scarce resources couple models, so each of them gets a price and every model decides for itself.

Lagrangian decomposition: at given prices each model takes its cheapest pattern; prices rise where pools overflow; a
program over the patterns met on the way makes the choice; the sum of what every model pays at least is the proof.
Pure.
"""
