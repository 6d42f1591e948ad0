"""Long text for Slack: cut into pieces that a block holds, never inside a link or an escape. Pure."""

import re
from collections.abc import Iterator

from handlers.text import mrkdwn, one_line

# https://docs.slack.dev/reference/block-kit/blocks/section-block
SECTION_MOST = 3000
_SECTIONS_MOST = 12
_ATOM = re.compile(r"<[^<>\n]*>|&(?:amp|lt|gt);|.", re.DOTALL)
_FAR = 1_000_000


def escape(text: str) -> str:
    """Slack's markup for any text: its lines are kept, and nothing in it is acted upon."""
    return "\n".join(mrkdwn(one_line(line), _FAR) for line in text.splitlines())


def sections(text: str) -> list[str]:
    """The text in at most twelve pieces of at most 3,000 UTF-16 units, cut between lines where possible."""
    pieces: list[str] = []
    held = ""
    for line in _short_lines(text):
        joined = f"{held}\n{line}" if held else line
        if _units(joined) <= SECTION_MOST:
            held = joined
        else:
            pieces.append(held)
            held = line
    pieces = [piece for piece in (*(piece.strip("\n") for piece in pieces), held.strip("\n")) if one_line(piece)]
    if len(pieces) > _SECTIONS_MOST:
        pieces[_SECTIONS_MOST - 1 :] = ["…"]
    return pieces


def _short_lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        kept, room = "", SECTION_MOST
        for found in _ATOM.finditer(line):
            # A link that no section holds is told by its label.
            atom = found[0] if _units(found[0]) <= SECTION_MOST else found[0][1:-1].rpartition("|")[2][:SECTION_MOST]
            if _units(atom) > room:
                yield kept
                kept, room = "", SECTION_MOST
            kept += atom
            room -= _units(atom)
        yield kept


def _units(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)
