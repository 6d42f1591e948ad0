"""The tasks of CQTAI: one address for all of them, the `task` of the body says which.

https://www.cqtai.com/docs/suno names 17 tasks by their values, and 14 more things that it can do without a value: every
other task is passed on and followed as `other`.
"""

from collections.abc import Mapping
from datetime import timedelta

from receiver.events import Kind
from receiver.providers.base import Operation
from receiver.results import ANY_FILE

SUBMIT_PATH = "/api/cqt/generator/suno"

_MINUTES_5 = timedelta(minutes=5)
_MINUTES_2 = timedelta(minutes=2)
# A song takes minutes, the small tools seconds. The page of nano asks for a look every 5 seconds, that of sora2 for one
# every 10 to 15; there is no figure for Suno: https://www.cqtai.com/docs/sora2/text-to-video
_SONG_FROM = timedelta(seconds=30)
_SMALL_FROM = timedelta(seconds=10)
_OTHER_FROM = timedelta(seconds=20)


def _long(name: str, kind: Kind, main_role: str | None = None) -> Operation:
    return Operation(
        name=name,
        kind=kind,
        path=SUBMIT_PATH,
        callback_field=None,
        main_role=main_role,
        deadline=_MINUTES_5,
        ask_from=_SONG_FROM,
    )


def _small(name: str, kind: Kind, main_role: str | None = None) -> Operation:
    return Operation(
        name=name,
        kind=kind,
        path=SUBMIT_PATH,
        callback_field=None,
        main_role=main_role,
        deadline=_MINUTES_2,
        ask_from=_SMALL_FROM,
    )


# What the `task` of the body says, and the row for it. Only of songs and stems it is known what they look like; a video
# or a WAV must have some file.
TASKS: Mapping[str, Operation] = {
    "create": _long("generate", Kind.MUSIC, "audio"),
    "extend": _long("extend", Kind.MUSIC, "audio"),
    "cover": _long("cover", Kind.MUSIC, "audio"),
    "upload_extend": _long("upload_extend", Kind.MUSIC, "audio"),
    "upload_cover": _long("upload_cover", Kind.MUSIC, "audio"),
    "replace_section": _long("replace_section", Kind.MUSIC, "audio"),
    "replace_merge": _long("replace_merge", Kind.MUSIC, "audio"),
    "inspiration": _long("inspiration", Kind.MUSIC, "audio"),
    "gen_stem_two": _long("gen_stem_two", Kind.STEMS, ANY_FILE),
    "gen_stem_all": _long("gen_stem_all", Kind.STEMS, ANY_FILE),
    "mp4": _long("mp4", Kind.VIDEO, ANY_FILE),
    "lyrics": _small("lyrics", Kind.LYRICS),
    "upsample_tags": _small("upsample_tags", Kind.STYLE),
    "persona": _small("persona", Kind.PERSONA),
    "wav": _small("wav", Kind.WAV, ANY_FILE),
    "timeline": _small("timestamped_lyrics", Kind.TIMESTAMPS),
    "downbeats": _small("downbeats", Kind.OTHER),
}

OTHER = Operation(
    name="other",
    kind=Kind.OTHER,
    path=SUBMIT_PATH,
    callback_field=None,
    deadline=_MINUTES_5,
    ask_from=_OTHER_FROM,
)
