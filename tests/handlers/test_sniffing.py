import pytest

from handlers.sniffing import Sort, sort_of

FTYP = b"\0\0\0\x20ftyp"


@pytest.mark.parametrize(
    ("head", "role", "media_type", "extension"),
    [
        (b"ID3\x04rest", "audio", "audio/mpeg", "mp3"),
        (b"\xff\xfb\x90\x64", "audio", "audio/mpeg", "mp3"),
        (b"\xff\xf3\x40\xc4", "audio", "audio/mpeg", "mp3"),
        (b"\xff\xf1\x50\x80", "audio", "audio/aac", "aac"),
        (b"RIFF\0\0\0\0WAVEfmt ", "wav", "audio/wav", "wav"),
        (b"RF64\xff\xff\xff\xffWAVE", "wav", "audio/wav", "wav"),
        (b"fLaC\0", "audio", "audio/flac", "flac"),
        (b"OggS\0", "audio", "audio/ogg", "ogg"),
        (FTYP + b"M4A \0", "audio", "audio/mp4", "m4a"),
        (FTYP + b"isom\0", "audio", "audio/mp4", "m4a"),
        (FTYP + b"isom\0", "video", "video/mp4", "mp4"),
        (FTYP + b"isom\0", "drums", "audio/mp4", "m4a"),
        (b"\x1a\x45\xdf\xa3", "video", "video/webm", "webm"),
        (b"\xff\xd8\xff\xe0", "image", "image/jpeg", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image", "image/png", "png"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image", "image/webp", "webp"),
        (b"GIF89a", "image", "image/gif", "gif"),
        (b"MThd\0", "midi", "audio/midi", "mid"),
        (b"ID3\x03", "vocals", "audio/mpeg", "mp3"),
    ],
)
def test_first_bytes_say_what_a_file_is(head: bytes, role: str, media_type: str, extension: str) -> None:
    sort = sort_of(head, role, "https://cdn.example.com/misnamed.txt")
    assert isinstance(sort, Sort)
    assert (sort.media_type, sort.extension) == (media_type, extension)


@pytest.mark.parametrize(
    ("head", "role", "why"),
    [
        (b"", "audio", "the file is empty"),
        (b"<!DOCTYPE html><html>", "audio", "it is an HTML, XML or JSON page in place of the file"),
        (
            b"\xef\xbb\xbf\n <?xml version='1.0'?><Error/>",
            "image",
            "it is an HTML, XML or JSON page in place of the file",
        ),
        (b'{"error": "expired"}', "vocals", "it is an HTML, XML or JSON page in place of the file"),
        (b"error code: 1010", "vocals", "it is plain text in place of the file"),
        (b"\0\1\2\3", "audio", "it is no audio"),
        (b"\xff\xfe<\0h\0t\0m\0l\0", "audio", "it is no audio"),
        (b"\xff\xd8\xff\xe0", "audio", "it is no audio but image/jpeg"),
        (b"ID3\x04", "image", "it is no image but audio/mpeg"),
        (b"ID3\x04", "video", "it is no video but audio/mpeg"),
        (b"RIFF\0\0\0\0WAVE", "midi", "it is no midi but audio/wav"),
    ],
    ids=["empty", "html", "xml", "json", "text", "noise", "utf-16", "picture", "song", "song as video", "wav as midi"],
)
def test_what_is_not_its_role_is_refused(head: bytes, role: str, why: str) -> None:
    assert sort_of(head, role, "https://cdn.example.com/x.mp3") == why


@pytest.mark.parametrize(
    ("url", "extension"),
    [
        ("https://cdn.example.com/a/notes.ZIP?sig=x.y", "zip"),
        ("https://cdn.example.com/a", "bin"),
        ("https://cdn.example.com/a.thisisnot", "bin"),
        ("https://cdn.example.com/a.<x>", "bin"),
    ],
)
def test_unknown_bytes_of_an_unknown_role_keep_their_extension(url: str, extension: str) -> None:
    assert sort_of(b"PK\x03\x04", "bundle", url) == Sort("other", "application/octet-stream", extension)
