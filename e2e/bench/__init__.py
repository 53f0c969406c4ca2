"""Measuring: each module prints a flat record of figures."""
