"""The words for what a file is of its result, and which words in their place can only be a mistake. Pure."""

import difflib

from receiver.units import suggestion

_TRACK = "audio stream image video wav midi origin"
_STEMS = (
    "vocals instrumental backing_vocals bass brass drums fx guitar keyboard percussion piano strings synth woodwinds"
)
# What an archive makes itself; midi, where the provider has the notes only, is one of them too.
_DERIVED = "lyrics timestamps song"
ROLES = frozenset(f"{_TRACK} {_STEMS} {_DERIVED}".split())

# File extensions, media types and everyday words: no file has such a role, so an archive would keep nothing.
_MEANT = {
    word: role
    for role, words in {
        "audio": "mp3 m4a aac flac ogg opus songs music track tracks",
        "image": "jpg jpeg png webp gif cover covers picture artwork",
        "video": "mp4 webm mov movie clip",
        "midi": "mid",
        "wav": "wave",
        "stream": "preview",
        "lyrics": "txt text lyric words",
        "timestamps": "lrc timestamp",
        "song": "manifest json song.json",
    }.items()
    for word in words.split()
}
_NO_FILE = {
    "all": "write roles: all, without a list",
    "stem": "name each stem: vocals, instrumental, drums",
    "stems": "name each stem: vocals, instrumental, drums",
}
_NEAR = 0.8


def role_advice(word: str) -> str | None:
    """What to write in place of a word that can't be a role; None where it may be one.

    Providers name stems as they like: only what is all but a known word is held to be that word misspelt.
    """
    # A media type such as audio/mpeg says its family first.
    plain = word.strip(". ").lower().partition("/")[0]
    if word in ROLES or (plain == word and ROLES & set(plain.split("_")) and "_" in plain):
        return None
    if plain in _NO_FILE:
        return _NO_FILE[plain]
    if plain in _MEANT:
        return suggestion(_MEANT[plain], ROLES)
    return suggestion(plain, ROLES) if difflib.get_close_matches(plain, ROLES, n=1, cutoff=_NEAR) else None
