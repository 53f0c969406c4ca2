"""Whether the simulator may be believed: recorded runs of an autoscaled vLLM beside the same runs simulated.

`runs` reads them, `model` makes of one what the simulator needs, `score` fits, simulates and judges. No autoscaler and
no scripted traffic here: the counts of pods are the recorded ones.
"""
