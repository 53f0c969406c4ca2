"""`inferfleet replay`: recorded traffic against what a plan would run, and how that is shown. Nothing decides here."""
