"""What a submission's JSON says to a person: how far it is, what became of it, where its files are. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.text import one_line
from receiver.events import OWN_KINDS

Json = Mapping[str, Any]

STEPS = ("sent", "accepted", "text", "first", "complete", "archived")

_FINAL = frozenset({"complete", "failed", "lost", "rejected"})
_GOOD = "complete"
_ENDED = frozenset({"delivered", "dead", "discarded"})


@dataclass(frozen=True, slots=True)
class Linked:
    """A result and where its files are, by role."""

    id: str
    title: str
    links: tuple[tuple[str, str], ...]


def title(view: Json) -> str:
    """The title of the first result, until there is one what the client called it, else the operation."""
    made = [result["title"] for result in view["results"][:1]]
    titles = (one_line(text or "") for text in (*made, view.get("title")))
    return next(filter(None, titles), view["operation"])


def is_own(event: Json) -> bool:
    """One of our own events: no provider said it."""
    return event["type"].partition(".")[0] in OWN_KINDS


def is_final(view: Json) -> bool:
    return view["stage"] in _FINAL


def succeeded(view: Json) -> bool:
    return bool(view["stage"] == _GOOD)


def waiting(view: Json) -> int:
    """How many of its deliveries have not ended."""
    return sum(row["state"] not in _ENDED for row in view["deliveries"])


def step(view: Json) -> int:
    """How many of STEPS but the last are behind it."""
    stage = view["stage"]
    return STEPS.index(stage) + 1 if stage in STEPS else 1


def failure(view: Json) -> Iterator[tuple[str, str]]:
    """What went wrong and what to do, in our words, then the provider's: labels and sentences."""
    error = view["error"]
    if error is None:
        return
    if error["meaning"]:
        yield "error", one_line(error["meaning"])
    if error["advice"]:
        yield "what to do", one_line(error["advice"])
    yield "they said", f"{one_line(error['message'])} ({one_line(error['code'])})"


def linked(view: Json, deliveries: Sequence[Json]) -> list[Linked]:
    """Each result with the lasting links of its archived files, else with the provider's."""
    archived = {(file["result_id"], file["role"]): file["link"] for file in archived_files(deliveries)}
    return [
        Linked(
            id=result["id"],
            title=one_line(result["title"] or result["id"]),
            links=tuple(
                (file["role"], archived.get((result["id"], file["role"]), file["url"]))
                for file in result["files"]
                if file["role"] != "stream" or (result["id"], "stream") in archived
            ),
        )
        for result in view["results"]
    ]


def archived_files(deliveries: Sequence[Json]) -> list[Json]:
    """Every archived file of these deliveries, once, the newest delivery first."""
    found: dict[tuple[str, str], Json] = {}
    for row in deliveries:
        for file in (row["receipt"] or {}).get("files", ()):
            found.setdefault((file["result_id"], file["role"]), file)
    return list(found.values())
