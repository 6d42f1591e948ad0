"""What happens to every request while something is away: said once in a while, not a line for each."""

import logging
from dataclasses import dataclass
from time import monotonic

_QUIET_S = 10.0


@dataclass(slots=True)
class Seldom:
    """Warns at most once in ten seconds, and says how often it was silent before."""

    logger: logging.Logger
    _said_at: float = float("-inf")
    _unsaid: int = 0

    def warn(self, sentence: str, *words: object) -> None:
        if monotonic() - self._said_at < _QUIET_S:
            self._unsaid += 1
            return
        self.logger.warning(sentence, *words)
        if self._unsaid:
            self.logger.warning("the same happened %d times more since it was said before", self._unsaid)
        self._said_at, self._unsaid = monotonic(), 0
