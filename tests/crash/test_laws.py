"""The judge of the crash tests: it finds each breach, and finds none where there is none."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.laws import Delivery, Fact, Left, broken
from tests.crash.marks import Mark, marks_in
from tests.crash.phones import Receipt

TARGET = ["main", "BTCUSDT", "BOTH", "long", ""]
ALERT = "steps", tuple(TARGET)
LEAST = {"phone": 1, "desk": 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a title\nmargin room 19.9 %\n#7 · 2026-01-02 03:09:02 UTC · since 03:04:13", [(7, 1)]),
        ("why\n#7 · 03:09:02 UTC · delivered 8 min late · (attempt 3)", [(7, 3)]),
        ("#7 03:09 fired steps\n#8 (attempt 2) 03:10 eased steps", [(7, 1), (8, 2)]),
        ("#7 (attempt 2) fired, #9 cleared (attempt 4)", [(7, 2), (9, 1)]),
        ("#7 fired\nand 2 more: `history`\n#8 #9 (attempt 2)", [(7, 1), (8, 1), (9, 2)]),
        ("#7 fired\n#7 (attempt 2)", [(7, 2)]),
        ("no number", []),
    ],
)  # fmt: skip
def test_marks_are_read_in_single_messages_and_in_digests(
    text: str, expected: list[tuple[int, int]]
) -> None:
    assert marks_in(text) == expected


def fact(kind: str, severity: int, **more: object) -> Fact:
    return Fact(0, json.dumps({"kind": kind, "severity": severity, "rule": "steps"} | more))


def got(order: int, channel: str, *marks: tuple[int, int], answer: str = "ok") -> Receipt:
    read = tuple(Mark(*mark) for mark in marks)
    title = f"title of {marks[0][0]}" if len(marks) == 1 else "a digest"
    return Receipt(order, 0.0, channel, title, read, answer, "")


FACTS = {
    1: fact("fired", 2, target=TARGET),
    2: fact("escalated", 3, target=TARGET),
    3: fact("resolved", 3, target=TARGET),
    4: fact("fired", 1, target=TARGET),
    5: fact("happened", 3, target=["main", "", "", "", ""]),
}
DELIVERIES = [
    *(Delivery(number, "phone", "sent", "") for number in FACTS),
    *(Delivery(number, "desk", "sent", "") for number in (1, 2, 3, 5)),
]
LEFT = Left(FACTS, DELIVERIES, {ALERT: 1})
RECEIPTS = [
    got(1, "phone", (1, 1), answer="500"),
    got(2, "phone", (1, 2), (2, 1)),
    got(3, "desk", (1, 1), (2, 1), (3, 1)),
    got(4, "phone", (3, 2)),
    got(5, "phone", (5, 1)),
    got(6, "phone", (4, 1)),
    got(7, "desk", (5, 1)),
]


def test_a_story_without_a_breach() -> None:
    assert broken(LEFT, RECEIPTS, LEAST) == []


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        (RECEIPTS[:-1], ["desk: lost: #5 was not received"]),
        (
            [*RECEIPTS[:5], RECEIPTS[6]],
            [
                "phone: lost: #4 was not received",
                f"phone: untrue: {ALERT} is at level 1, #3 told 0",
            ],
        ),
        ([*RECEIPTS, got(8, "desk", (4, 1))], ["desk: invented: #4 is not on disk"]),
        (
            [*RECEIPTS, got(8, "desk", (5, 1))],
            ["desk: unmarked: #5 comes as attempt 1 after attempt 1"],
        ),
        (
            [RECEIPTS[0], RECEIPTS[3], RECEIPTS[1], *RECEIPTS[2:3], *RECEIPTS[4:]],
            [
                f"phone: overtaken: #1 of {ALERT} comes after #3",
                f"phone: overtaken: #2 of {ALERT} comes after #3",
            ],
        ),
        (
            [*RECEIPTS[:-1], RECEIPTS[-1]._replace(title="another")],
            ["twice used: #5 is 'title of 5' and 'another'"],
        ),
        (
            [*RECEIPTS, Receipt(8, 0.0, "desk", "hello", (), "ok", "")],
            ["desk: a message without a number: 'hello'"],
        ),
    ],
)
def test_every_breach_on_a_phone_is_found(receipts: list[Receipt], expected: list[str]) -> None:
    assert broken(LEFT, receipts, LEAST) == expected


def test_what_was_refused_five_times_may_be_overtaken() -> None:
    refused = [got(order, "phone", (1, order + 1), answer="500") for order in range(4)]
    story = [*refused, got(4, "phone", (2, 1)), got(5, "phone", (1, 5))]
    passed = [fault for fault in broken(LEFT, story, {"phone": 1}) if "overtaken" in fault]
    assert passed == [f"phone: overtaken: #1 of {ALERT} comes after #2"]
    story[4:4] = [got(4, "phone", (1, 5), answer="close")]
    story[-1] = got(6, "phone", (1, 6))
    assert not [fault for fault in broken(LEFT, story, {"phone": 1}) if "overtaken" in fault]


@pytest.mark.parametrize(
    ("state", "why", "expected"),
    [
        ("pending", "", ["desk: lost: #5 still waits"]),
        ("dead", "given up after 24 h: 500", ["desk: lost: #5 is dead: given up after 24 h: 500"]),
        ("dead", "superseded by #6", []),
    ],
)
def test_what_is_left_on_disk_is_judged(state: str, why: str, expected: list[str]) -> None:
    left = replace(LEFT, deliveries=[*DELIVERIES[:-1], Delivery(5, "desk", state, why)])
    assert broken(left, RECEIPTS, LEAST) == expected


def test_a_notice_without_a_delivery_is_found() -> None:
    left = replace(LEFT, deliveries=[one for one in DELIVERIES if one[:2] != (5, "phone")])
    receipts = [one for one in RECEIPTS if one.order != 5]
    assert broken(left, receipts, LEAST) == ["phone: lost: #5 is meant for others alone"]


def test_a_number_that_stands_for_another_fact_in_a_later_life(tmp_path: Path) -> None:
    left = Left({1: FACTS[1]})
    with closing(sqlite3.connect(tmp_path / "marginwatch.db")) as database, database:
        database.execute("CREATE TABLE notices (number, at, facts)")
        database.execute("CREATE TABLE deliveries (number, channel, state, last_error)")
        database.execute("CREATE TABLE alerts (rule, target, level)")
        database.execute("INSERT INTO notices VALUES (1, 0, ?)", (FACTS[2].text,))
    left.read(tmp_path)
    assert broken(left, [], {}) == [f"twice used: #1 was {FACTS[1]}, is {FACTS[2]}"]
