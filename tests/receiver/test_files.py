import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from receiver.errors import PermanentFailure, StoreUnavailable, TargetFailure
from receiver.files import FileLinks, disposition, file_headers, media_type
from receiver.handler import ArchivedFile
from receiver.store.records import StoredFile
from receiver.tokens import Scope, Signer
from tests.support.web import Answered, Ask, application, ask

SIGNER = Signer(["a secret"])
HEX = "0123456789abcdef" * 2
TOKEN = SIGNER.mint(Scope.FILE, HEX)
SONG = bytes(range(256)) * 40
TAG = f'"{hashlib.sha256(SONG).hexdigest()}"'


def archived(key: str = "songs/night ferry.mp3", media: str = "audio/mpeg") -> ArchivedFile:
    return ArchivedFile(
        result_id="r1",
        role="audio",
        key=key,
        size=len(SONG),
        sha256=hashlib.sha256(SONG).hexdigest(),
        media_type=media,
        link="https://example.com/files/x",
    )


class FakeStore:
    def __init__(self, file: ArchivedFile, handler: str = "archive", failure: Exception | None = None) -> None:
        self.stored = StoredFile(handler=handler, submission_id="sub_1", file=file)
        self.failure = failure
        self.asked: list[str] = []

    async def file(self, file_id: str) -> StoredFile | None:
        self.asked.append(file_id)
        if self.failure:
            raise self.failure
        return self.stored if file_id == HEX else None


class Folder:
    def __init__(self, root: Path) -> None:
        self.directory = root

    def path(self, key: str) -> Path:
        if ".." in key:
            raise PermanentFailure("leads out of the archive")
        return self.directory / key


class Served:
    """A store with one archived file, its folder, and the route over them."""

    def __init__(self, root: Path, file: ArchivedFile | None = None) -> None:
        self.store = FakeStore(file or archived())
        self.root = root
        self.disk = root / "songs/night ferry.mp3"
        self.disk.parent.mkdir()
        self.disk.write_bytes(SONG)

    async def get(
        self, headers: Sequence[tuple[str, str]] = (), token: str = TOKEN, method: str = "GET", query: str = ""
    ) -> Answered:
        elsewhere = {"bucket": self.presign, "unsigned": self.refuse}
        links = FileLinks(SIGNER, self.store, {"archive": Folder(self.root)}, elsewhere)
        return await ask(application([links.route()]), Ask(f"/files/{token}", method, query, headers))

    async def refuse(self, file: ArchivedFile) -> str:
        raise TargetFailure("no credentials")

    async def presign(self, file: ArchivedFile) -> str:
        return f"https://bucket.example.com/{file.role}?signature=fresh"


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


async def test_link_serves_the_file_with_safe_headers(served: Served) -> None:
    answered = await served.get()

    assert (answered.status, answered.body) == (200, SONG)
    assert answered.header("content-type") == "audio/mpeg"
    assert answered.header("content-length") == str(len(SONG))
    assert answered.header("etag") == TAG
    assert answered.header("accept-ranges") == "bytes"
    assert answered.header("cache-control") == "private, max-age=31536000, immutable"
    assert answered.header("x-content-type-options") == "nosniff"
    assert (answered.header("content-security-policy") or "").startswith("sandbox; default-src 'none'")
    assert answered.header("content-disposition") == (
        "inline; filename=\"night ferry.mp3\"; filename*=UTF-8''night%20ferry.mp3"
    )


async def test_head_has_the_headers_and_no_body(served: Served) -> None:
    got, head = await served.get(), await served.get(method="HEAD")

    assert (head.status, head.headers, head.body) == (200, got.headers, b"")


@pytest.mark.parametrize("spelling", [f"{TOKEN}/", TOKEN], ids=["slash", "query"])
async def test_trailing_slash_and_query_are_tolerated(served: Served, spelling: str) -> None:
    assert (await served.get(token=spelling, query="download=1")).status == 200


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=100-", 100, 10239),
        ("bytes=-10", 10230, 10239),
        ("bytes=-99999", 0, 10239),
        ("bytes=10239-99999", 10239, 10239),
        ("BYTES=5-5", 5, 5),
    ],
)
async def test_one_range_is_served(served: Served, wanted: str, first: int, last: int) -> None:
    answered = await served.get([("range", wanted)])

    assert (answered.status, answered.body) == (206, SONG[first : last + 1])
    assert answered.header("content-range") == f"bytes {first}-{last}/10240"
    assert answered.header("content-length") == str(last + 1 - first)


@pytest.mark.parametrize(
    "wanted",
    [
        ["bytes=0-1,5-6"],
        ["bytes=5-2"],
        ["bytes=-"],
        ["bytes=x-y"],
        ["bytes"],
        ["lines=1-2"],
        ["bytes=" + "9" * 5000 + "-"],
        ["bytes=0-1", "bytes=2-3"],
    ],
    ids=lambda wanted: wanted[-1][:20],
)
async def test_range_that_may_be_ignored_gets_the_whole(served: Served, wanted: list[str]) -> None:
    answered = await served.get([("range", value) for value in wanted])

    assert (answered.status, answered.body) == (200, SONG)


@pytest.mark.parametrize("wanted", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
async def test_range_past_the_end_is_416(served: Served, wanted: str) -> None:
    answered = await served.get([("range", wanted)])

    assert (answered.status, answered.header("content-range")) == (416, "bytes */10240")
    assert answered.header("content-type") == "application/problem+json"


async def test_range_of_an_empty_file_is_416(served: Served) -> None:
    served.disk.write_bytes(b"")

    answered = await served.get([("range", "bytes=-5")])

    assert (answered.status, answered.header("content-range")) == (416, "bytes */0")
    assert answered.header("content-type") == "application/problem+json"


@pytest.mark.parametrize(
    ("if_range", "status"),
    [(TAG, 206), ('"other"', 200), (f"W/{TAG}", 200), ("Sat, 21 Nov 2026 08:00:00 GMT", 200)],
    ids=["same", "other", "weak", "date"],
)
async def test_range_counts_only_for_the_same_bytes(served: Served, if_range: str, status: int) -> None:
    within = await served.get([("range", "bytes=0-9"), ("if-range", if_range)])
    past = await served.get([("range", "bytes=99999-"), ("if-range", if_range)])

    assert within.status == status
    assert past.status == (416 if status == 206 else 200)


@pytest.mark.parametrize(
    ("known", "status"), [(TAG, 304), (f'"x", W/{TAG}', 304), ("*", 304), ('"x"', 200)], ids=["same", "weak", "*", "x"]
)
async def test_known_file_is_not_sent_again(served: Served, known: str, status: int) -> None:
    answered = await served.get([("if-none-match", known)])

    assert (answered.status, answered.body) == (status, b"" if status == 304 else SONG)


async def test_file_that_was_changed_on_disk_loses_its_tag(served: Served) -> None:
    served.disk.write_bytes(SONG + b"tagged")

    answered = await served.get([("if-none-match", TAG)])

    assert (answered.status, answered.body) == (200, SONG + b"tagged")
    assert answered.header("etag") != TAG


async def test_file_elsewhere_is_a_redirect_to_a_fresh_link(tmp_path: Path) -> None:
    served = Served(tmp_path)
    served.store = FakeStore(archived(), "bucket")

    answered = await served.get()

    assert (answered.status, answered.header("cache-control")) == (307, "private, no-store")
    assert answered.header("location") == "https://bucket.example.com/audio?signature=fresh"


async def test_archive_elsewhere_that_cannot_sign_asks_for_patience(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served(tmp_path)
    served.store = FakeStore(archived(), "unsigned")
    answered = await served.get()
    assert answered.status == 503
    assert caplog.messages == ["no link can be signed: handler unsigned: no credentials"]


WRONG = {
    "none": "",
    "guess": "A" * 43,
    "callback token": SIGNER.mint(Scope.CALLBACK, HEX),
    "other secret": Signer(["another"]).mint(Scope.FILE, HEX),
    "10 kB": "A" * 10_000,
    "not ascii": "é" * 43,
    "null": f"{TOKEN}\0",
    "dots": "../../etc/passwd",
    "below": f"{TOKEN}/../../etc/passwd",
}


@pytest.mark.parametrize("token", WRONG.values(), ids=WRONG.keys())
async def test_wrong_token_is_404_before_the_store_is_asked(served: Served, token: str) -> None:
    answered = await served.get(token=token)

    assert answered.status == 404
    assert served.store.asked == []


@pytest.mark.parametrize("missing", ["unknown", "handler", "gone", "folder", "escape", "long name", "null"])
async def test_every_404_is_the_same(served: Served, missing: str) -> None:
    plain = await served.get(token="x")
    token = TOKEN
    match missing:
        case "unknown":
            token = SIGNER.mint(Scope.FILE, "f" * 32)
        case "handler":
            served.store = FakeStore(archived(), "removed")
        case "gone":
            served.disk.unlink()
        case "folder":
            served.store = FakeStore(archived("songs"))
        case "escape":
            served.store = FakeStore(archived("../night ferry.mp3"))
        case "long name":
            served.store = FakeStore(archived("x" * 5000))
        case "null":
            served.store = FakeStore(archived("x\0y"))

    answered = await served.get(token=token)

    assert (answered.status, answered.body, answered.headers) == (404, plain.body, plain.headers)


async def test_archived_file_that_is_gone_is_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    served.disk.unlink()

    await served.get()

    assert "archived file is gone: handler archive, key 'songs/night ferry.mp3'" in caplog.text
    assert TOKEN not in caplog.text


async def test_store_that_is_away_is_503(served: Served) -> None:
    served.store.failure = StoreUnavailable("locked")

    assert (await served.get()).status == 503


async def test_only_reading_is_allowed(served: Served) -> None:
    assert (await served.get(method="DELETE")).status == 405


@pytest.mark.parametrize(
    ("recorded", "served_as", "kind"),
    [
        ("audio/mpeg", "audio/mpeg", "inline"),
        ("Video/MP4; codecs=x", "video/mp4", "inline"),
        ("image/jpeg", "image/jpeg", "inline"),
        ("image/svg+xml", "image/svg+xml", "attachment"),
        ("text/html", "text/html", "attachment"),
        ("application/json", "application/json", "attachment"),
        ("audio/mpeg\r\nset-cookie: x=1", "application/octet-stream", "attachment"),
        ("", "application/octet-stream", "attachment"),
    ],
    ids=ascii,
)
def test_only_audio_images_and_video_are_shown(recorded: str, served_as: str, kind: str) -> None:
    file = archived(media=recorded)

    assert media_type(file) == served_as
    assert disposition(file).startswith(f"{kind}; ")


@pytest.mark.parametrize(
    ("key", "plain", "encoded"),
    [
        ("2026/Night Ferry.mp3", "Night Ferry.mp3", "Night%20Ferry.mp3"),
        ("夜.mp3", "_.mp3", "%E5%A4%9C.mp3"),
        ('a"b\\c;d.mp3', "c;d.mp3", "c%3Bd.mp3"),
        ('a"b%41.mp3', "a_b_41.mp3", "a%22b%2541.mp3"),
        ("a\r\nset-cookie: x=1.mp3", "aset-cookie: x=1.mp3", "aset-cookie%3A%20x%3D1.mp3"),
        ("a\u202e3pm.exe", "a3pm.exe", "a3pm.exe"),
        ("\ud83d.mp3", ".mp3", ".mp3"),
        ("", "file", "file"),
        ("x" * 10_000 + ".mp3", "x" * 150 + ".mp3", "x" * 150 + ".mp3"),
    ],
    ids=lambda text: ascii(text)[:24],
)
def test_file_names_are_safe_in_headers(key: str, plain: str, encoded: str) -> None:
    assert disposition(archived(key)) == f"inline; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def test_headers_are_text_that_http_can_carry() -> None:
    for value in file_headers(archived("💿\n夜.mp3"), 1).values():
        assert value.isascii()
        assert value.isprintable()
