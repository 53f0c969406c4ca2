"""The page of a plan, its pictures and its style: one file that needs nothing else. Pure."""
