"""A client that others wrote, as it is: suno-easy with its base URL and its key changed, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from suno_easy import Lyrics, Song, SunoAPIError, SunoClient, Task, WavFile

from receiver.simulator import Script, Simulator
from tests.flow.test_song import QUICK, config, finished, reachable, simulating
from tests.support.peers import answer, serve
from tests.support.process import CLIENT, Running

UPLOADED = {
    "fileName": "ferry.mp3",
    "filePath": "songs/ferry.mp3",
    "downloadUrl": "https://files.example.com/songs/ferry.mp3",
    "fileSize": 9,
    "mimeType": "audio/mpeg",
    "uploadedAt": "2026-11-21T08:30:00.000Z",
}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@dataclass
class Stand:
    simulator: Simulator
    running: Running

    def client(self, path: str = "", token: str = CLIENT) -> SunoClient:
        base = self.running.url + path
        client = SunoClient(token, upload_base_url=base)
        client.BASE_URL = base
        return client


@asynccontextmanager
async def standing(folder: Path, script: Script = QUICK, upload: str = "http://127.0.0.1:9") -> AsyncIterator[Stand]:
    async with simulating(script) as simulator:
        provider = {"type": "sunoapi", "api_key": "provider-key", "base_url": simulator.base_url}
        suno = {**provider, "upload_base_url": upload}
        async with reachable(config(folder, simulator, providers={"suno": suno})) as running:
            yield Stand(simulator, running)


def ferry(client: SunoClient) -> Task[list[Song]]:
    made = client.music.generate("a ferry at night", style="folk", title="Night Ferry", model="V5", wait=False)
    assert isinstance(made, Task)
    return made


async def polled(submit: Callable[[], object]) -> Any:
    """What the client makes of a task once its own loop has polled it to the end; it blocks, hence the thread."""

    def through() -> Any:
        task = submit()
        assert isinstance(task, Task)
        return task.wait(timeout=20, poll_interval=0)

    return await asyncio.to_thread(through)


@pytest.mark.parametrize("path", ["", "/suno"])
async def test_a_foreign_client_polls_a_song_to_both_of_its_tracks(tmp_path: Path, path: str) -> None:
    async with standing(tmp_path) as stand:
        client = stand.client(path)
        songs: list[Song] = await polled(lambda: ferry(client))
        assert [(song.title, bool(song.duration)) for song in songs] == [("Night Ferry", True)] * 2
        await asyncio.to_thread(songs[1].download, str(tmp_path / "b.mp3"))
        (task,) = stand.simulator.tasks.values()
        assert task.headers["authorization"] == "Bearer provider-key"
        await finished(stand.running, task.id)
        # What is final is answered from the store: the provider may have forgotten it.
        stand.simulator.tasks.clear()
        record = await asyncio.to_thread(client.music.get_task, task.id)
        again = Song.from_task_data(record)
        assert [(song.id, song.audio_url) for song in again] == [(song.id, song.audio_url) for song in songs]
    assert (tmp_path / "b.mp3").read_bytes() in {file.read_bytes() for file in (tmp_path / "songs").rglob("*.mp3")}


async def test_a_foreign_client_gets_what_is_made_of_a_song(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        client = stand.client()
        task = await asyncio.to_thread(ferry, client)
        song, _ = await asyncio.to_thread(task.wait, 20, 0)
        lyrics: list[Lyrics] = await polled(lambda: client.lyrics.generate("a ferry", wait=False))
        assert len([text for text in lyrics if text.text]) == 2
        wav: WavFile = await polled(lambda: client.audio.convert_wav(task.task_id, song.id, wait=False))
        assert str(wav.wav_url).startswith(stand.simulator.base_url)
        timed = await asyncio.to_thread(client.lyrics.get_timestamped, task.task_id, song.id)
        assert timed.aligned_words
        assert (await asyncio.to_thread(client.account.get_credits)).remaining > 0


async def test_a_foreign_client_that_repeats_a_submission_under_its_key_gets_the_same_song(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        client = stand.client()
        client.session.headers.update({"Idempotency-Key": "ferry-7", "X-Receiver-Labels": "project=podcast"})
        first, second = [(await asyncio.to_thread(ferry, client)).task_id for _ in range(2)]
        assert (first, [first]) == (second, list(stand.simulator.tasks))
        submission = await stand.running.get(f"/v1/submissions/{first}")
        assert submission["labels"] == {"project": "podcast"}


async def test_a_foreign_client_uploads_a_file(tmp_path: Path) -> None:
    body = json.dumps({"success": True, "code": 200, "msg": "File uploaded successfully", "data": UPLOADED}).encode()
    (tmp_path / "ferry.mp3").write_bytes(b"ID3 ferry")
    async with serve(answer(body)) as peer, standing(tmp_path, upload=peer.url) as stand:
        client = stand.client()
        uploaded = await asyncio.to_thread(client.upload.upload_stream, str(tmp_path / "ferry.mp3"), "songs")
        assert uploaded.download_url == UPLOADED["downloadUrl"]
    (seen,) = peer.seen
    assert (seen.target, seen.headers["authorization"]) == ("/api/file-stream-upload", "Bearer provider-key")
    assert b"ID3 ferry" in seen.body


async def test_a_foreign_client_with_a_wrong_token_is_told_and_nothing_is_sent(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        client = stand.client(token="another-token-123456")
        with pytest.raises(SunoAPIError) as told:
            await asyncio.to_thread(ferry, client)
        assert (told.value.status_code, stand.simulator.tasks) == (401, {})


async def test_a_foreign_client_hears_why_the_provider_refuses(tmp_path: Path) -> None:
    async with standing(tmp_path, replace(QUICK, reply="refuse")) as stand:
        with pytest.raises(SunoAPIError, match="check its parameters") as told:
            await asyncio.to_thread(ferry, stand.client())
        assert told.value.status_code == 422
