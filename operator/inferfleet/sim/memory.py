"""The KV cache of one replica: what sequences hold alone, what they share, and whether one more fits. Pure memory."""

from inferfleet.sim.book import Book, Sequence
from inferfleet.sim.prefixes import Prefixes
from inferfleet.sim.types import BLOCK_TOKENS, Engine


class Memory:
    """Counts tokens. Decoding grows it by `grow`; everything else goes through the sequences."""

    def __init__(self, engine: Engine, book: Book) -> None:
        self.tokens = engine.kv_tokens
        self.shares = engine.cached and bool(book.prefix)
        self._book = book
        self._half_block = engine.block / 2
        self._own = 0.0
        self._prefixes = Prefixes()
        self._order = 0

    @property
    def held(self) -> float:
        """Tokens that requests in progress hold; each shared block counts once."""
        return self._own + self._prefixes.pinned_tokens

    def grow(self, tokens: float) -> None:
        """Sequences have more of their own (or less); which of them, they note themselves."""
        self._own += tokens

    def admit(self, number: int, made: int, growth: int, *, alone: bool) -> Sequence | None:
        """Room for its whole prompt, and one token of each that decodes (`growth`); None: it has to wait.

        `made`: its tokens of before a preemption. One that is alone never waits: nothing would ever go.
        """
        prompt = self._book.input[number] + made
        pinned = self._reusable(number, self.tokens - self.held) if self.shares else ()
        fresh = prompt - len(pinned) * BLOCK_TOKENS + self._half_block
        self._prefixes.pin(pinned)
        if not alone and self.held + fresh + growth > self.tokens:
            self._prefixes.release(pinned)
            return None
        self._order += 1
        self._own += fresh
        hit = len(pinned) * BLOCK_TOKENS
        if self._book.cached:
            hit = max(hit, min(self._book.cached[number], prompt - 1))
        return Sequence(number, self._order, prompt, prompt - hit, fresh, pinned)

    def share(self, sequence: Sequence) -> None:
        """Whole blocks of a prompt that it computed become everybody's."""
        prefix = self._book.prefix[sequence.number]
        whole = prefix[len(sequence.pinned) : self._book.input[sequence.number] // BLOCK_TOKENS]
        added = tuple(block for block in whole if self._prefixes.add(block))
        sequence.pinned += added
        sequence.own -= len(added) * BLOCK_TOKENS
        self._own -= len(added) * BLOCK_TOKENS

    def release(self, sequence: Sequence) -> None:
        """It is done, or preempted."""
        self._own -= sequence.own
        self._prefixes.release(sequence.pinned)

    def cached_blocks(self, number: int) -> int:
        """Leading blocks of its prompt that would not be computed again."""
        return len(self._reusable(number, self.tokens - self.held)) if self.shares else 0

    def _reusable(self, number: int, free: float) -> tuple[int, ...]:
        """At least one token is always computed, since its output is needed."""
        prefix = self._book.prefix[number]
        whole = min(len(prefix), (self._book.input[number] - 1) // BLOCK_TOKENS)
        return prefix[: self._prefixes.hits(prefix[:whole], free)]
