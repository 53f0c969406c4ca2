"""`make bench-planner`: a module for each part, with `run(data)` that returns flat figures and a section in Markdown.

What is scored lives in the operator; baselines, cases and tables live here.
"""
