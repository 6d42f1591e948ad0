"""A write that somebody waits for."""

import asyncio
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Job:
    item: Any
    answer: asyncio.Future[Any]

    def settle(self, answer: object) -> None:
        # A caller that was cancelled has no use for the answer; its write stands.
        if self.answer.done():
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)
