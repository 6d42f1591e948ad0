"""Idempotency keys in every store: taken once with their submission, answered from what was kept."""

import asyncio
from dataclasses import replace

from receiver.events import Stage
from receiver.store.base import Store
from receiver.store.records import KEY_LIFE, KeptReply, Key
from tests.contracts.store_kit import SECOND, Clock, a_submission, becomes

KEY = Key(client="app", provider="suno", key="k-1", digest="aa")
REPLY = KeptReply(status=200, headers={"content-type": "application/json"}, body=b'{"code":200}\xff')


async def test_a_key_is_taken_with_its_submission(store: Store) -> None:
    submission = a_submission()
    assert await store.take_key(KEY, submission) is None
    assert await store.submission(submission.id) == submission


async def test_a_repeat_finds_the_first_use_and_stores_nothing(store: Store) -> None:
    first, second = a_submission(), a_submission()
    await store.take_key(KEY, first)
    kept = await store.take_key(replace(KEY, digest="bb"), second)
    assert kept is not None
    assert (kept.submission_id, kept.digest, kept.reply) == (first.id, "aa", None)
    assert await store.submission(second.id) is None


async def test_the_answer_that_was_kept_comes_back_byte_for_byte(store: Store) -> None:
    first = a_submission()
    await store.take_key(KEY, first)
    await store.keep_reply(first.id, REPLY)
    kept = await store.take_key(KEY, a_submission())
    assert kept is not None
    assert kept.reply == REPLY


async def test_a_freed_key_can_be_taken_again(store: Store) -> None:
    first, second = a_submission(), a_submission()
    await store.take_key(KEY, first)
    await store.keep_reply(first.id, None)
    assert await store.take_key(KEY, second) is None
    kept = await store.take_key(KEY, a_submission())
    assert kept is not None
    assert kept.submission_id == second.id


async def test_keys_of_other_clients_and_providers_are_their_own(store: Store) -> None:
    for key in (KEY, replace(KEY, client="other"), replace(KEY, provider="kie"), replace(KEY, key="K-1")):
        assert await store.take_key(key, a_submission()) is None


async def test_a_key_is_free_again_after_seven_days(store: Store, clock: Clock) -> None:
    first = a_submission()
    await store.take_key(KEY, first)
    await store.keep_reply(first.id, REPLY)
    clock.go(KEY_LIFE - SECOND)
    assert await store.take_key(KEY, a_submission()) is not None
    clock.go(SECOND)
    second = a_submission()
    assert await store.take_key(KEY, second) is None
    kept = await store.take_key(KEY, a_submission())
    assert kept is not None
    assert (kept.submission_id, kept.reply) == (second.id, None)


async def test_of_many_that_come_at_once_one_takes_the_key(store: Store) -> None:
    submissions = [a_submission() for _ in range(20)]
    answers = await asyncio.gather(*(store.take_key(KEY, submission) for submission in submissions))
    assert sum(answer is None for answer in answers) == 1
    stored = [one for one in submissions if await store.submission(one.id)]
    assert len(stored) == 1
    assert {answer.submission_id for answer in answers if answer} == {stored[0].id}


async def test_the_key_of_what_was_rejected_is_free_though_nobody_freed_it(store: Store) -> None:
    first = a_submission()
    await store.take_key(KEY, first)
    await store.change(first.id, becomes(Stage.REJECTED))
    assert await store.take_key(KEY, a_submission()) is None
