"""What was proposed and accepted since the engine started, by place in the draft. No I/O."""

from collections.abc import Sequence


class Ledger:
    """Counts drafts; see `Seen`."""

    def __init__(self, places: int) -> None:
        """For drafts of at most so many tokens."""
        self.proposed = [0] * places
        self.accepted = [0] * places
        self._drafts: dict[int, Sequence[int]] = {}
        """Of slots whose draft is not verified yet."""

    def propose(self, slot: int, tokens: Sequence[int]) -> None:
        """A slot's new draft; it may be empty."""
        self._drafts[slot] = tokens

    def accept(self, slot: int, tokens: Sequence[int]) -> None:
        """What the model says in its place, as far as that is known to agree.

        A model whose state cannot be taken back (Mamba and its kin) verifies what it has accepted once more, with its
        own token at the end: it was not proposed, and is not counted.
        """
        draft = self._drafts.pop(slot, ())
        agreed = next((i for i, (a, b) in enumerate(zip(draft, tokens, strict=False)) if a != b), len(tokens))
        for place in range(min(len(draft), len(self.proposed))):
            self.proposed[place] += 1
            self.accepted[place] += place < agreed
