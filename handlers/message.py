"""What people are told about an event, in plain words; each target writes it in its own markup. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from handlers.text import UNTITLED, clock, is_web, one_line, shorten
from receiver.events import OWN_KINDS, Failure, Level, Via
from receiver.handler import Delivery, Event, File, Result

_NOUNS = {
    "music": "Song",
    "lyrics": "Lyrics",
    "wav": "WAV",
    "stems": "Stems",
    "midi": "MIDI",
    "video": "Video",
    "cover_image": "Cover image",
    "voice_phrase": "Voice phrase",
    "voice": "Voice",
    "recovery": "Recovery",
    "timestamps": "Timestamps",
    "persona": "Persona",
    "style": "Style",
}
_STAGES = {"text": "is on its way", "first": "is on its way", "failed": "failed", "updated": "has something new"}
_OWN = {
    "submission.accepted": "{what} is on its way",
    "submission.rejected": "{what} was refused",
    "submission.unknown": "{what}: no clear answer yet",
    "submission.overdue": "{what} is late",
    "submission.lost": "{what} is lost",
    "callback.unrecognised": "A callback that nobody understands",
    "delivery.dead": "Handler {about} did not get {what}",
    "handler.paused": "Handler {about} is paused",
    "handler.resumed": "Handler {about} works again",
    "provider.silent": "No callbacks from {provider}: is public_url right?",
    "worker.missing": "No worker ran for some time",
    "file.expiring": "Files of {what} expire soon",
    "disk.low": "The disk is nearly full",
}
_LABELS = {
    "audio": "Listen",
    "stream": "Preview",
    "video": "Video",
    "wav": "WAV",
    "midi": "MIDI",
    "timestamps": "Lyrics in time",
}
# Labels that may say what the client calls the thing.
_TITLE_LABELS = ("title", "song")
_FACTS_MOST, _LABELS_MOST = 8, 5
# What an archive makes for machines, and what is shown in place of being linked.
_UNLINKED = frozenset({"image", "song"})

EXPIRE = "The provider's links expire after some days."
INCOMPLETE = "Something is still missing; it follows when it comes."
SEPARATOR = " · "


@dataclass(frozen=True, slots=True)
class Link:
    """`expires`: it is the provider's, not an archive's."""

    role: str
    label: str
    url: str
    expires: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A result as people see it. `place` is `1 of 2` where titles repeat, `length` 3:18; `lyrics` keep their lines.

    `covers` are addresses of its picture, best first. `style` is empty where all tracks share it.
    """

    result_id: str
    title: str
    place: str = ""
    length: str = ""
    style: str = ""
    lyrics: str = ""
    links: tuple[Link, ...] = ()
    covers: tuple[str, ...] = ()

    @property
    def urls(self) -> Mapping[str, str]:
        """Addresses by role."""
        return {link.role: link.url for link in self.links}


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence about what went wrong; `label` says whose it is, `strong` that it is what matters."""

    text: str
    label: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Everything that can be told, in the order in which it is read. No text has control characters; none is escaped.

    `aside` is small print about the failure, `style` what all tracks share, `partial` that something still follows.
    """

    headline: str
    title: str
    reasons: tuple[Reason, ...] = ()
    aside: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    tracks: tuple[Track, ...] = ()
    style: str = ""
    partial: bool = False
    origin: tuple[str, ...] = ()

    @property
    def expires(self) -> bool:
        return any(link.expires for track in self.tracks for link in track.links)


def message_of(delivery: Delivery) -> Message:
    """The message about a delivery's event."""
    event, error = delivery.event, delivery.event.error
    own = event.kind in OWN_KINDS
    tracks, style = ((), "") if own else _tracks(delivery)
    return Message(
        headline=one_line(_headline(delivery)),
        title=_called(delivery),
        reasons=tuple(_reasons(event)),
        aside=tuple(_aside(error)) if error and not own else (),
        facts=tuple(_facts(event)) if own else (),
        tracks=tracks,
        style=style,
        partial=event.partial and not own,
        origin=_origin(event),
    )


def _headline(delivery: Delivery) -> str:
    event = delivery.event
    title = _called(delivery)
    what = shorten(title, 100) or _unnamed(event)
    if event.kind in OWN_KINDS:
        own = _OWN.get(event.type, "{type}")
        about = shorten(one_line(event.about or "?"), 60)
        return own.format(what=what, about=about, type=event.type, provider=event.provider or "the provider")
    end = _STAGES.get(event.stage or "", "is ready")
    if title and event.kind != "music":
        return f"{_noun(event)} of {what}: {end.removeprefix('is ')}"
    return f"{what} {end}"


def _called(delivery: Delivery) -> str:
    """What people know it by; empty where nobody gave it a name."""
    labels = (delivery.event.labels.get(name) for name in _TITLE_LABELS)
    names = (*(result.title for result in delivery.results), delivery.title, *labels)
    return next((title for name in names if (title := one_line(name or ""))), "")


def _unnamed(event: Event) -> str:
    """The operation, and the end of the submission's id to tell it from its neighbours: Song (generate …1f0a93bc)."""
    noun, operation = _noun(event), _words(event.operation or "").lower()
    told = operation if operation != noun.lower() else ""
    short = f"…{event.submission_id[-8:]}" if event.submission_id else ""
    detail = " ".join(filter(None, (told, short)))
    return f"{noun} ({detail})" if detail else noun


def _noun(event: Event) -> str:
    return _NOUNS.get(event.kind) or _words(event.operation or "") or "A submission"


def _words(name: str) -> str:
    return one_line(name.replace("_", " ")).capitalize()


def _reasons(event: Event) -> Iterator[Reason]:
    error = event.error
    if error is None:
        if event.level is Level.PROBLEM and not any(_facts(event)):
            yield Reason("The receiver's log and `receiver events` show more.")
        return
    meaning, advice = Reason(one_line(error.meaning or ""), strong=True), Reason(one_line(error.advice or ""))
    said = one_line(error.message)
    own = event.kind in OWN_KINDS
    if own:
        # A word is a name of our own; a number is the provider's, and its support will ask for it.
        code = error.code if error.code.isascii() and error.code.isdigit() else ""
        told: tuple[Reason, ...] = (meaning, Reason(said, "What happened"), advice, Reason(code, "The provider's code"))
    else:
        told = (meaning, advice, Reason(said, "The provider"))
    known = [reason for reason in told if reason.text]
    yield from known or [Reason("No reason is known." if own else "The provider did not say why.")]


def _aside(error: Failure) -> Iterator[str]:
    if code := one_line(error.code):
        yield f"Code {code}"
    if error.refunded is not None:
        yield "credits refunded" if error.refunded else "credits not refunded"


def _facts(event: Event) -> list[tuple[str, str]]:
    """What an event of our own is about, but for what the headline and the advice say already."""
    raw = event.raw if isinstance(event.raw, Mapping) else {}
    told = {event.about, *(event.error.advice or "").split()} if event.error else {event.about}
    facts = [
        (_words(str(name).removesuffix("_id")), one_line(str(value)))
        for name, value in raw.items()
        if isinstance(value, str | int | float) and str(value) not in told
    ]
    return [(name, value) for name, value in facts if name and value][:_FACTS_MOST]


def _tracks(delivery: Delivery) -> tuple[tuple[Track, ...], str]:
    """A track for each result, and the style that all of them share."""
    styles = {one_line(result.tags or "") for result in delivery.results}
    shared = styles.pop() if len(styles) == 1 else ""
    tracks = tuple(
        Track(
            result_id=result.id,
            title=_title(result),
            place=place,
            length=clock(result.duration),
            style="" if shared else one_line(result.tags or ""),
            lyrics="\n".join(one_line(line) for line in (result.lyrics or "").splitlines()).strip(),
            links=tuple(_links(delivery, result)),
            covers=tuple(_covers(delivery, result)),
        )
        for result, place in zip(delivery.results, _places(delivery.results), strict=True)
    )
    return tracks, shared


def _title(result: Result) -> str:
    return one_line(result.title or "") or UNTITLED


def _places(results: Sequence[Result]) -> Iterator[str]:
    """`1 of 2` for each result whose title another one has too."""
    totals = Counter(map(_title, results))
    seen: Counter[str] = Counter()
    for title in map(_title, results):
        seen[title] += 1
        yield f"{seen[title]} of {totals[title]}" if totals[title] > 1 else ""


def _links(delivery: Delivery, result: Result) -> Iterator[Link]:
    """Links to the files of a result and to what an archive made of it; archived ones last."""
    roles = set()
    for file in _worth_a_link(result.files):
        roles.add(file.role)
        archived = delivery.archived(result.id, file.role)
        url = archived or file.url
        if is_web(url):
            yield Link(file.role, _label(file.role), url, expires=not archived)
    for made in delivery.kept(result.id):
        if made.role not in roles | _UNLINKED and is_web(made.link):
            yield Link(made.role, _label(made.role), made.link, expires=False)


def _label(role: str) -> str:
    return shorten(_LABELS.get(role) or _words(role) or "File", 40)


def _worth_a_link(files: Sequence[File]) -> Iterator[File]:
    finished = any(file.role == "audio" for file in files)
    return (file for file in files if file.role != "image" and not (finished and file.role == "stream"))


def _covers(delivery: Delivery, result: Result) -> Iterator[str]:
    """Where the cover is, the lasting address first."""
    if archived := delivery.archived(result.id, "image"):
        yield archived
    if image := result.file("image"):
        yield image.url


def _origin(event: Event) -> tuple[str, ...]:
    labels = [f"{name}: {value}" for name, value in event.labels.items()]
    told = "simulated" if event.via is Via.SIMULATED else None
    words = [told, event.provider, event.operation, *labels[:_LABELS_MOST], event.submission_id or event.id]
    return tuple(said for word in words if word and (said := one_line(word)))
