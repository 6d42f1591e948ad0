import re
from collections.abc import Mapping
from email import charset
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest

from handlers.email_message import Letter, cid, encode, message_id, write
from handlers.email_parts import Part, Parts
from tests.support.deliveries import make_delivery
from tests.support.email_peer import read, words

COVER = Part(name="cover-1.jpeg", media_type="image/jpeg", content=b"\xff\xd8\xff" + bytes(300), cid="cover-1")
SONG = Part(name="Früh 🎵 & spät.mp3", media_type="audio/mpeg", content=b"ID3" + bytes(range(256)))


def make_letter(**fields: str) -> Letter:
    words = {"sender": "Songs <songs@example.com>", "subject": "It is ready", "text": "Höre\n", "page": "<p>Höre</p>"}
    return Letter(**words | fields, recipients=("Jörg <joerg@example.com>", "you@example.com"))


def sent(letter: Letter, parts: Parts | None = None) -> EmailMessage:
    wire = encode(letter, make_delivery(), parts or Parts())
    assert wire.isascii()
    assert max(map(len, wire.split(b"\r\n"))) <= 998
    assert wire.endswith(b"\r\n.\r\n")
    mail = read(re.sub(rb"(?m)^\.\.", b".", wire.removesuffix(b".\r\n")))
    assert all(not part.defects for part in mail.walk())
    return mail


def tree(mail: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in mail.walk()]


def test_headers_say_who_what_and_that_nobody_wrote_it() -> None:
    mail = sent(make_letter())
    assert mail["From"] == "Songs <songs@example.com>"
    assert mail["To"] == "Jörg <joerg@example.com>, you@example.com"
    assert mail["Subject"] == "It is ready"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Receiver-Event"] == "music.complete"
    assert mail["X-Receiver-Submission"] == "sub_" + "2" * 32
    assert mail["References"] == mail["In-Reply-To"] == f"<sub_{'2' * 32}@example.com>"
    assert mail["Message-ID"] == f"<dlv_{'3' * 32}@example.com>"


def test_ids_stay_ids_under_a_long_domain() -> None:
    sender = f"songs@{'a' * 60}.{'b' * 60}.example.com"
    mail = sent(make_letter(sender=sender), Parts({"tr-1": COVER}))
    assert list(mail.walk())[-1]["Content-ID"] == f"<{cid(COVER, make_delivery(), sender)}>"
    assert mail["References"] == f"<sub_{'2' * 32}@{sender.partition('@')[2]}>"
    assert mail["Message-ID"] == message_id(make_delivery(), sender)
    wire = encode(make_letter(sender=sender), make_delivery(), Parts({"tr-1": COVER}))
    assert [line[:3] for line in wire.splitlines() if b"=?" in line] == [b"To:"]


def test_words_are_text_and_page() -> None:
    mail = sent(make_letter())
    assert tree(mail) == ["multipart/alternative", "text/plain", "text/html"]
    assert [words(part) for part in mail.iter_parts()] == ["Höre\n", "<p>Höre</p>\n"]


def test_covers_are_in_the_page_and_files_beside_it() -> None:
    name = cid(COVER, make_delivery(), "songs@example.com")
    mail = sent(make_letter(page=f'<img src="cid:{name}">'), Parts({"tr-1": COVER}, [SONG]))
    assert tree(mail) == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/jpeg",
        "audio/mpeg",
    ]
    cover, song = list(mail.walk())[-2:]
    assert cover["Content-ID"] == f"<{name}>"
    assert (cover.get_content_disposition(), cover.get_content()) == ("inline", COVER.content)
    assert (song.get_content_disposition(), song.get_filename()) == ("attachment", SONG.name)
    assert song.get_content() == SONG.content


def test_long_name_of_any_letters_is_whole() -> None:
    wire = encode(make_letter(sender=f"{'名前' * 40} <songs@example.com>"), make_delivery(), Parts())
    header = wire.partition(b"To:")[0].decode()
    assert all(len(line) <= 76 for line in header.splitlines())
    assert "".join(str(make_header(decode_header(header))).split()) == f"From:{'名前' * 40}<songs@example.com>"


TEXTS: Mapping[str, str] = {
    "dots": ".\n..\n.leading\n",
    "one long line": "x" * 5000 + "\n",
    "one long line of others": "Ж🎵" * 5000 + "\n",
    "like a boundary": "--=_0_\n--\n",
    "like a header": "From me\nBcc: you\n\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_any_text_arrives_as_it_was(text: str) -> None:
    mail = sent(make_letter(text=text, page=text))
    assert [words(part) for part in mail.iter_parts()] == [text, text]


SUBJECTS = {
    "ascii": "a " * 70 + "b",
    "letters": "🎵Ж" * 50,
    "words": "a " * 30 + "ж " * 30 + "b",
    "words of others": "Кошка ест рыбу " * 9 + "!",
    "mixed": "Song (ж) [x] is ready, and so on and so forth, 🎵 for ever and ever, and then a little longer than that",
    "encoded words": "=?utf-8?q?a=0D=0ABcc:_evil=40example.com?= and =?utf-8?b?Cg==?=",
    "ampersands": "&" * 99 + "… is ready",
}


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_subject_arrives_as_it_was(subject: str) -> None:
    mail = sent(make_letter(subject=subject))
    assert mail["Subject"] == subject
    assert mail["Bcc"] is None


NAMES = ["Jörg Ж Ж Ж", '"Müller, Jörg und so weiter und so fort"', "名前" * 4, '"a, b"', "A B"]


@pytest.mark.parametrize("name", NAMES)
def test_names_arrive_as_they_were(name: str) -> None:
    mail = sent(make_letter(sender=f"{name} <songs@example.com>"))
    [address] = mail["From"].addresses
    assert (address.display_name, address.addr_spec) == (name.strip('"'), "songs@example.com")


def test_names_arrive_also_where_another_library_has_changed_the_charset(monkeypatch: pytest.MonkeyPatch) -> None:
    # As apprise does, for the whole process.
    monkeypatch.setitem(charset.CHARSETS, "utf-8", (charset.QP, charset.QP, "utf-8"))
    for name in NAMES:
        test_names_arrive_as_they_were(name)


def test_mail_is_the_same_bytes_each_time() -> None:
    letters = [encode(make_letter(), make_delivery(attempt=n), Parts({"a": COVER}, [SONG])) for n in (1, 2)]
    assert letters[0] == letters[1]


def test_header_with_a_line_break_can_not_be_written() -> None:
    with pytest.raises(ValueError, match="linefeed"):
        write(make_letter(subject="a\r\nBcc: b@example.com"), make_delivery(), Parts())
