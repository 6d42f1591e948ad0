"""The keys of the type `s3`: which fit together, and what is said where they don't; its extra; its place in the app."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from handlers.s3 import S3Archive
from receiver.app.common import elsewhere
from receiver.errors import ConfigError
from receiver.files import RemoteArchive
from receiver.settings import load
from tests.support.archives import AUDIO, DAY, one, world_of
from tests.support.deliveries import MP3, make_delivery
from tests.support.s3_peer import open_peer

ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t-v4lue"
KEYS = {"access_key": "AKIAEXAMPLE", "secret_key": SECRET}

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"access_key": "AKIA"}, "secret_key is missing beside access_key; write both, or none for the machine's own role"),
    ({"secret_key": SECRET}, "access_key is missing beside secret_key; write both, or none for the machine's own role"),
    ({"bucket": "ftp://songs"}, "knows no such scheme: write my-songs, gs://my-songs or azure://container"),
    ({"bucket": "songs/2026"}, "is the bucket alone; write the folder as prefix"),
    ({"bucket": "my songs"}, "is no name of a bucket: letters, digits, dots and hyphens"),
    (
        {"bucket": "gs://songs", **KEYS},
        "access_key is not for Google: secret_key holds the JSON of the service account",
    ),
    ({"bucket": "gs://songs", "region": "eu"}, "region is for S3 and its kin; remove it"),
    ({"bucket": "gs://songs", "secret_key": SECRET}, "secret_key is not the JSON of a service account; write"),
    (
        {"bucket": "azure://songs", "secret_key": SECRET},
        "access_key is missing; for Azure it is the name of the storage",
    ),
    (
        {"bucket": "azure://songs", "access_key": "a", "secret_key": "%%%"},
        "secret_key is not a key of a storage account",
    ),
    ({"bucket": "azure://songs", "region": "eu"}, "region is for S3 and its kin; remove it"),
    ({"endpoint": "minio:9000"}, "must be an http:// or https:// address without ? and #"),
    ({"endpoint": f"https://u:{SECRET}@minio.example.com"}, "must not hold a user or a password; write access_key and"),
    ({"endpoint": "https://songs.s3.eu-west-1.amazonaws.com"}, "endpoint names the bucket too; leave it out there"),
    ({"endpoint": "https://x.r2.cloudflarestorage.com/songs"}, "endpoint names the bucket too; leave it out there"),
    ({"public_url": "https://songs.example.com"}, "public_url has no effect without links: public; write that, or"),
    (
        {"links": "public", "endpoint": "https://x.r2.cloudflarestorage.com"},
        "links: public wants public_url: R2 shows a bucket at an address of its own only",
    ),
    ({"links": "forever"}, "links: must be one of receiver, public, presigned"),
]


@pytest.mark.parametrize(("fields", "message"), MISTAKES, ids=[message[:50] for _, message in MISTAKES])
def test_mistake_in_the_configuration_is_one_sentence(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "receiver.yaml"
    path.write_text(f"handlers:\n  archive: {json.dumps({'type': 's3', 'bucket': 'songs', **fields})}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    [sentence] = caught.value.mistakes
    assert message in sentence
    assert "handlers.archive" in sentence
    assert "\n" not in sentence
    assert SECRET not in sentence


@pytest.mark.parametrize("name", ["GOOGLE_BEARER_TOKEN", "GOOGLE_SERVICE_ACCOUNT"])
def test_two_keys_for_google_are_a_mistake(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, SECRET)
    with pytest.raises(ValueError, match=f"secret_key is given here and {name} in the environment; keep one of them"):
        S3Archive.model_validate({"type": "s3", "bucket": "gs://songs", "secret_key": "{}"})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        KEYS,
        {"access_key": "", "secret_key": "", "endpoint": ""},
        {"bucket": "s3://songs", **KEYS},
        {"bucket": "azure://songs", "access_key": "account"},
        {
            "links": "public",
            "endpoint": "https://x.r2.cloudflarestorage.com",
            "public_url": "https://songs.example.com",
        },
    ],
)
def test_what_fits_together_is_taken(fields: dict[str, Any]) -> None:
    archive = S3Archive.model_validate({"type": "s3", "bucket": "songs", **fields})
    assert SECRET not in repr(archive) + archive.model_dump_json()
    assert archive == S3Archive.model_validate({"type": "s3", "bucket": "songs", **fields})


def test_secret_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    path = tmp_path / "receiver.yaml"
    path.write_text("handlers:\n  a: {type: s3, bucket: songs, access_key: AKIA, secret_key_file: key}\n")
    [archive] = load(path, {}).handlers.values()
    assert isinstance(archive, S3Archive)
    assert archive.secrets() == ("AKIA", SECRET)


def test_missing_client_names_the_extra() -> None:
    code = """
import sys
sys.modules["obstore"] = None
import handlers, receiver.errors
try:
    handlers.handler_class("s3")
except receiver.errors.ConfigError as error:
    print(error.mistakes[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert 'install it: pip install "suno-receiver[s3]"' in done.stdout


def test_client_is_imported_only_where_it_is_named() -> None:
    code = "import sys, handlers; handlers.handler_class('file'); print('obstore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_files_of_this_archive_are_served_from_elsewhere() -> None:
    archive = S3Archive.model_validate({"type": "s3", "bucket": "songs", **KEYS})
    assert isinstance(archive, RemoteArchive)
    assert elsewhere({"archive": archive}) == {"archive": archive.presign}


KILLED = """
import asyncio, json, sys
from handlers.s3 import S3Archive
from tests.handlers.test_s3 import LARGE, Stuck
from tests.support.archives import AUDIO, one
from tests.support.deliveries import World, make_delivery

async def main():
    media = Stuck(LARGE)
    archive = S3Archive.model_validate(json.loads(sys.argv[1]))
    work = asyncio.ensure_future(archive.handle(make_delivery(World(media=media), results=[one(AUDIO)])))
    await media.silent.wait()
    print("half", flush=True)
    await work

asyncio.run(main())
"""


async def test_killed_in_the_middle_of_an_upload_it_ends_as_one_whole_object(tmp_path: Path) -> None:
    async with open_peer(tmp_path) as peer:
        fields = {"type": "s3", "roles": ["audio"], **peer.fields}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, json.dumps(fields), stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        assert child.stdout is not None
        assert await child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)
        await child.wait()
        key = f"{DAY}/Night Ferry-tr-1.mp3"
        assert peer.objects() == {key: b""}
        archive = S3Archive.model_validate(fields)
        whole = MP3 * 1000
        await archive.handle(make_delivery(world_of({AUDIO: whole}), results=[one(AUDIO)], attempt=2))
        assert peer.objects() == {key: whole}
        # What was killed can't tidy up: its parts are under no name, and the bucket's lifecycle rule takes them.
        assert peer.unfinished() == [key]
