"""The recorded bodies below tests/samples, told by their names: `<what>.<stage>.<in a few words>.<extension>`."""

from dataclasses import dataclass, field
from pathlib import Path

from receiver.events import Stage

ROOT = Path(__file__).parents[1] / "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """`what` is callback, status or reply; `stage` is one of ours, `pending` or `unrecognised`."""

    folder: str
    what: str
    expected: str
    note: str
    body: bytes = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.what}.{self.expected}.{self.note}"

    @property
    def stage(self) -> Stage | None:
        return None if self.expected == "pending" else Stage(self.expected)


def load_samples(provider_type: str) -> list[Sample]:
    return [_load(path) for path in sorted((ROOT / provider_type).glob("*/*.*.*.*"))]


def _load(path: Path) -> Sample:
    what, expected, note, _ = path.name.split(".")
    return Sample(path.parent.name, what, expected, note, path.read_bytes())
