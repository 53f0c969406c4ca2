"""The page of operations and the stories that run its commands."""

import re
from pathlib import Path

from e2e.stories import alone

STORIES = Path(alone.__file__).parent


def test_every_section_that_a_story_follows_is_there_and_none_is_left_untried() -> None:
    marked = re.findall(r"<!-- story: (\S+) -->", alone.HANDBOOK.read_text())
    followed = {name for path in STORIES.glob("*.py") for name in re.findall(r'\.follow\("(\S+?)"', path.read_text())}
    assert sorted(marked) == sorted(followed)


def test_a_section_is_the_commands_below_its_mark() -> None:
    assert alone.commands("uninstall") == "helm uninstall inferfleet --namespace inferfleet-system --wait\n"
