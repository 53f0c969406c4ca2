"""Engines that run unmodified in their vendors' images: command lines, ports, metrics, and what each lacks. Pure.

`render` is the way in. What is not run here is checked against recorded option lists and said to be unproven.
"""
