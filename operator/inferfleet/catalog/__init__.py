"""Facts about hardware, models and quantizations as YAML with source and date, and their loader.

Reads the files of this folder and nothing else.
"""
