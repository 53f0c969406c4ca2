"""What a Secret mounted for `fetch` holds. Reads the one folder; nothing of it is ever logged."""

from dataclasses import dataclass
from pathlib import Path

from inferfleet_runtime.errors import CommandError

MAIN = "credential"
"""The file with what the Model's key of the Secret holds."""


@dataclass(frozen=True, repr=False)
class Credentials:
    """Of one source; without a folder there are none."""

    folder: Path | None = None

    @property
    def given(self) -> bool:
        """Whether the Model names a Secret for this source."""
        return self.folder is not None

    def main(self) -> str:
        """The content of the key that the Model names. Raises CommandError when it is not there or empty."""
        if text := self.value(MAIN):
            return text
        raise CommandError(f"{self.folder}: holds no {MAIN}, or an empty one; check the Secret that the Model names")

    def value(self, name: str) -> str | None:
        """The content of a file of the folder, without white space around it."""
        if self.folder is None:
            return None
        try:
            return (self.folder / name).read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{self.folder / name}: cannot be read as text: {type(error).__name__}") from error
