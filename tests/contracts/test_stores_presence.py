"""In every store: who runs, and who leads."""

from dataclasses import replace
from datetime import timedelta

from receiver.store.base import Store
from receiver.store.records import LEASE, Presence, Process
from tests.contracts.store_kit import START, Clock

WEB = Process(id="web-1", host="one", does_web=True, does_work=False)
WORKER = Process(id="worker-1", host="two", does_web=False, does_work=True)


async def test_a_process_is_known_from_its_first_word_to_its_last(store: Store, clock: Clock) -> None:
    await store.present(WEB)
    clock.go(LEASE / 3)
    await store.present(WEB)
    await store.present(WORKER)
    clock.go(LEASE / 3)
    await store.present(WORKER, ending=True)
    early, late = START + LEASE / 3, START + 2 * LEASE / 3
    assert await store.processes() == [
        Presence(process=WEB, started_at=START, steady_at=START, seen_at=early),
        Presence(process=WORKER, started_at=early, steady_at=early, seen_at=late, ended_at=late),
    ]


async def test_whoever_was_not_seen_for_a_lease_is_steady_from_when_it_is_seen_again(
    store: Store, clock: Clock
) -> None:
    await store.present(WEB)
    clock.go(LEASE)
    await store.present(WEB)
    assert [one.steady_at for one in await store.processes()] == [START]
    clock.go(LEASE + timedelta(seconds=1))
    await store.present(WEB)
    (found,) = await store.processes()
    assert (found.started_at, found.steady_at) == (START, clock.now)


async def test_the_dead_are_forgotten_after_three_days(store: Store, clock: Clock) -> None:
    await store.present(WORKER)
    clock.go(timedelta(days=3))
    await store.present(WEB)
    assert len(await store.processes()) == 2
    clock.go(timedelta(seconds=1))
    await store.present(replace(WEB, id="web-2"))
    assert {one.process.id for one in await store.processes()} == {"web-1", "web-2"}


async def test_one_process_alone_leads_every_task(store: Store) -> None:
    assert [await store.leads(task) for task in ("reconciler", "watch", "disks of one")] == [True] * 3


async def test_a_migrated_store_misses_no_migration(store: Store) -> None:
    assert await store.missing() == 0
