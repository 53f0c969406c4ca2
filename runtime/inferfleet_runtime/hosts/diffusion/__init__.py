"""Diffusers: a process that makes one picture or video after the other."""
