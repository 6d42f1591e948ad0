from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.events import OWN_KINDS, Event, Level, Result, Trust, Via
from receiver.routing import DEFAULT_WAIT, Globs, Match, Plan, Route, Step, plan

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SONG = Event(
    id="evt_1",
    type="music.complete",
    operation="generate",
    stage="complete",
    provider="suno",
    client="app",
    labels={"project": "podcast", "mood": "Calm", "empty": ""},
    occurred_at=NOW,
    received_at=NOW,
    results=(Result(id="1", duration=30.0), Result(id="2", duration=198.44), Result(id="3")),
)
ALARM = replace(SONG, type="delivery.dead", level=Level.PROBLEM, stage=None, about="team")


def when(labels: Mapping[str, str] | None = None, **fields: Any) -> Match:
    globs = {name: Globs((value,) if isinstance(value, str) else tuple(value)) for name, value in fields.items()}
    return Match(fields=globs, labels={name: Globs((value,)) for name, value in (labels or {}).items()})


def route(*handlers: str | Step, match: Match | None = None, otherwise: bool = False) -> Route:
    steps = tuple(Step(handler=step) if isinstance(step, str) else step for step in handlers)
    return Route(when=match or Match(), handlers=steps, otherwise=otherwise)


def names(plans: tuple[Plan, ...]) -> list[str]:
    return [planned.handler for planned in plans]


MATCHES = [
    ("everything", Match(), True),
    ("type", when(type="music.complete"), True),
    ("another type", when(type="lyrics.complete"), False),
    ("type by wildcard", when(type="*.complete"), True),
    ("type by one letter", when(type="musi?.complete"), True),
    ("a list", when(type=["lyrics.complete", "music.*"]), True),
    ("part of a type", when(type="music"), False),
    ("provider", when(provider="suno"), True),
    ("operation", when(operation="gen*"), True),
    ("kind", when(kind="music"), True),
    ("stage", when(stage=["text", "first"]), False),
    ("client", when(client="app"), True),
    ("level", when(level="problem"), False),
    ("via", when(via="callback"), True),
    ("all hold", when(type="music.*", provider="suno", stage="complete"), True),
    ("one does not hold", when(type="music.*", provider="kie"), False),
    ("label", when({"project": "pod*"}), True),
    ("label of another value", when({"project": "film"}), False),
    ("label in other letters", when({"project": "Podcast"}), False),
    ("label in its own letters", when({"mood": "Calm"}), True),
    ("label of capitals by a word in small letters", when({"mood": "calm"}), False),
    ("label that is empty", when({"empty": "*"}), True),
    ("label that is absent", when({"user": "*"}), False),
    ("field that is absent", when(task_id="*"), False),
    ("not another", Match(unless=when(client="web")), True),
    ("not this", Match(unless=when(client="app")), False),
    ("not all of these", Match(unless=when(client="app", stage="failed")), True),
    ("not an absent label", Match(unless=when({"user": "*"})), True),
    ("not not", Match(unless=Match(unless=when(client="app"))), True),
    ("at least a minute", Match(shortest=timedelta(minutes=1)), True),
    ("at least what it lasts", Match(shortest=timedelta(seconds=198.44)), True),
    ("at least ten minutes", Match(shortest=timedelta(minutes=10)), False),
    ("at most half a minute", Match(longest=timedelta(seconds=30)), True),
    ("between those there are", Match(shortest=timedelta(seconds=31), longest=timedelta(seconds=198)), False),
    ("trust that is there", Match(trust=Trust.TOKEN), True),
    ("trust that is not", Match(trust=Trust.SIGNED), False),
]


@pytest.mark.parametrize(("match", "expected"), [row[1:] for row in MATCHES], ids=[row[0] for row in MATCHES])
def test_a_route_applies_where_all_of_its_conditions_hold(match: Match, expected: bool) -> None:
    assert match.takes(SONG) is expected


@pytest.mark.parametrize("trust", list(Trust))
def test_trust_is_the_least_that_is_asked_for(trust: Trust) -> None:
    taken = [level for level in Trust if Match(trust=trust).takes(replace(SONG, trust=level))]
    assert taken == [level for level in Trust if level.rank >= trust.rank]


def test_without_a_known_duration_no_bound_holds() -> None:
    unknown = replace(SONG, results=(Result(id="1"),))
    assert not Match(shortest=timedelta(0)).takes(unknown)
    assert not Match(longest=timedelta(days=1)).takes(replace(SONG, results=()))


OWN = [
    ("everything", Match(), False),
    ("any type", when(type="*"), False),
    ("any first half", when(type="*.dead"), False),
    ("part of the first half", when(type="deliver?.dead"), False),
    ("the first half by a star at its end", when(type="delivery*"), False),
    ("its first half", when(type="delivery.*"), True),
    ("its type", when(type="delivery.dead"), True),
    ("one of the types", when(type=["*.dead", "delivery.d*"]), True),
    ("another first half", when(type="handler.*"), False),
    ("its level", when(level="problem"), True),
    ("another level", when(level="info"), False),
    ("any level", when(level="*"), False),
    ("its level and a type by wildcard", when(level="problem", type="*.dead"), True),
    ("its type, but another provider", when(type="delivery.*", provider="kie"), False),
    ("provider only", when(provider="suno"), False),
    ("kind only", when(kind="delivery"), False),
]


@pytest.mark.parametrize(("match", "expected"), [row[1:] for row in OWN], ids=[row[0] for row in OWN])
def test_our_own_events_match_only_where_they_are_named(match: Match, expected: bool) -> None:
    assert match.takes(ALARM) is expected


@pytest.mark.parametrize("kind", sorted(OWN_KINDS))
def test_every_family_of_our_own_wants_its_name(kind: str) -> None:
    event = replace(ALARM, type=f"{kind}.something")
    assert not when(type="*.something").takes(event)
    assert when(type=f"{kind}.*").takes(event)


def test_a_condition_under_not_holds_for_our_own_events_too() -> None:
    match = Match(fields={"level": Globs(("problem",))}, unless=when(type="*.dead"))
    assert not match.takes(ALARM)
    assert match.takes(replace(ALARM, type="handler.paused"))


SIMULATED = [
    ("everything", Match(), False),
    ("type", when(type="music.complete"), False),
    ("any way", when(via="*"), False),
    ("another way", when(via="callback"), False),
    ("simulated", when(via="simulated"), True),
    ("a list with simulated", when(via=["callback", "simulated"]), True),
    ("simulated, but another type", when(via="simulated", type="lyrics.*"), False),
]


@pytest.mark.parametrize(("match", "expected"), [row[1:] for row in SIMULATED], ids=[row[0] for row in SIMULATED])
def test_simulated_events_match_only_via_simulated(match: Match, expected: bool) -> None:
    assert match.takes(replace(SONG, via=Via.SIMULATED)) is expected


def test_every_route_that_matches_applies() -> None:
    routes = (route("archive"), route("lyrics", match=when(kind="lyrics")), route("team", match=when(stage="complete")))
    assert plan(SONG, routes) == (Plan(handler="archive"), Plan(handler="team"))


def test_a_handler_gets_an_event_once() -> None:
    assert names(plan(SONG, (route("archive", "team"), route("team", "archive")))) == ["archive", "team"]


def test_options_of_several_routes_are_united() -> None:
    first = Step(handler="team", needs=("archive",), wait=timedelta(minutes=1))
    second = Step(handler="team", needs=("mail", "archive"), wait=timedelta(hours=1), stop=True)
    routes = (route("archive", "mail", first), route("mail", "archive", second))
    assert plan(SONG, routes)[-1] == Plan(
        handler="team", needs=("archive", "mail"), wait=timedelta(minutes=1), stop=True
    )


def test_stop_beats_continue_whichever_comes_first() -> None:
    steps = [Step(handler="team", stop=True), Step(handler="team", stop=False)]
    assert all(plan(SONG, (route(a), route(b)))[0].stop for a, b in (steps, steps[::-1]))


def test_a_wait_is_ten_minutes_where_none_is_written() -> None:
    assert plan(SONG, (route("archive"),))[0].wait == DEFAULT_WAIT == timedelta(minutes=10)


def test_needs_that_do_not_get_this_event_are_dropped() -> None:
    step = Step(handler="team", needs=("archive", "mail"))
    assert plan(SONG, (route("archive", step),)) == (Plan(handler="archive"), Plan(handler="team", needs=("archive",)))


def test_otherwise_takes_only_what_no_other_route_took() -> None:
    routes = (route("rest", otherwise=True), route("lyrics", match=when(kind="lyrics")))
    assert names(plan(SONG, routes)) == ["rest"]
    assert names(plan(replace(SONG, type="lyrics.complete"), routes)) == ["lyrics"]


def test_otherwise_routes_have_conditions_and_do_not_exclude_each_other() -> None:
    routes = (
        route("a", otherwise=True),
        route("b", otherwise=True),
        route("c", match=when(stage="failed"), otherwise=True),
    )
    assert names(plan(SONG, routes)) == ["a", "b"]


def test_otherwise_does_not_take_our_own_or_simulated_events() -> None:
    routes = (route("rest", otherwise=True),)
    assert plan(ALARM, routes) == ()
    assert plan(replace(SONG, via=Via.SIMULATED), routes) == ()


def test_an_alarm_never_goes_to_the_handler_that_it_is_about() -> None:
    mail = Step(handler="mail", needs=("team",))
    routes = (route("team", mail, match=when(level="problem")), route("rest", otherwise=True))
    assert plan(ALARM, routes) == (Plan(handler="mail"),)
    assert plan(replace(ALARM, about="other"), routes) == (Plan(handler="team"), Plan(handler="mail", needs=("team",)))


def test_no_route_means_no_delivery() -> None:
    assert plan(SONG, ()) == ()


PATTERN = st.text(alphabet="ab.*?[]()+|\\$^\n", max_size=8)
TEXT = st.text(alphabet="ab.*?[]()+|\\$^\n", max_size=8)


@given(pattern=PATTERN, text=TEXT)
def test_only_star_and_question_mark_are_wildcards(pattern: str, text: str) -> None:
    # fnmatch knows classes as well: with the bracket escaped it is an independent oracle.
    assert Globs((pattern,)).match(text) is fnmatchcase(text, pattern.replace("[", "[[]"))


@given(patterns=st.lists(PATTERN, max_size=4), text=TEXT)
def test_one_pattern_of_several_is_enough(patterns: list[str], text: str) -> None:
    assert Globs(tuple(patterns)).match(text) is any(Globs((pattern,)).match(text) for pattern in patterns)


def test_a_star_runs_over_line_ends() -> None:
    assert Globs(("a*b",)).match("a\n\nb")


def test_a_long_run_of_stars_is_matched_at_once() -> None:
    assert not Globs(("*" * 5000 + "b",)).match("a" * 5000)


STEPS = st.builds(
    Step,
    handler=st.sampled_from("abcd"),
    needs=st.lists(st.sampled_from("abcd"), max_size=3).map(tuple),
    stop=st.booleans(),
)
ROUTES = st.lists(
    st.builds(Route, handlers=st.lists(STEPS, min_size=1, max_size=3).map(tuple), otherwise=st.booleans()), max_size=5
)


@given(routes=ROUTES, about=st.none() | st.sampled_from("abcd"))
def test_plans_are_unique_and_need_only_each_other(routes: list[Route], about: str | None) -> None:
    planned = names(plans := plan(replace(SONG, about=about), routes))
    assert len(set(planned)) == len(planned)
    assert about not in planned
    assert all(set(one.needs) <= set(planned) for one in plans)
