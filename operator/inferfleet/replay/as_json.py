"""A replay as JSON: all figures, the timeline in parts, and every decision. Pure."""

import json

from inferfleet.replay.report import Replayed, decisions, figures, timeline

PARTS = 288
"""Of the run: five minutes each in a day."""


def render(found: Replayed) -> str:
    """One object; equal runs give equal text."""
    whole = {**figures(found), "timeline": timeline(found, PARTS), "decisions": decisions(found)}
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"
