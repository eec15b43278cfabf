"""Frames nobody could read: kept, bounded, private, and never in the way."""

import json
import logging
from pathlib import Path

import pytest

from monitor.core.events import Now
from monitor.quarantine import Quarantine


def now() -> Now:
    return Now(1, 1767225600000)


def redact(text: str) -> str:
    return text.replace("hush", "…")


def lines(quarantine: Quarantine) -> list[dict[str, object]]:
    assert quarantine.path is not None
    return [json.loads(line) for line in quarantine.path.read_text().splitlines()]


def test_a_frame_is_kept_with_its_circumstances(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, redact=redact, now=now)
    quarantine.keep("main user data", '{"hush": 1}', "no hush")
    assert lines(quarantine) == [
        {"at": 1767225600000, "source": "main user data", "why": "no …", "text": '{"…": 1}'}
    ]
    assert quarantine.path is not None
    assert quarantine.path.stat().st_mode & 0o777 == 0o600
    assert quarantine.counts == {"main user data": 1}


def test_a_secret_at_the_cut_is_not_kept_in_part(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, redact=redact, now=now)
    quarantine.keep("x", "a" * 4094 + "hush" + "b" * 10_000, "why")
    assert lines(quarantine)[0]["text"] == "a" * 4094 + "…b"


def test_a_full_file_keeps_its_newer_half(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, redact=redact, now=now, limit_bytes=2000)
    for number in range(100):
        quarantine.keep("x", f"frame {number}", "why")
        assert quarantine.path is not None
        assert quarantine.path.stat().st_size <= 2000
    assert quarantine.path is not None
    texts = [line["text"] for line in lines(quarantine)]
    assert texts == [f"frame {number}" for number in range(100 - len(texts), 100)]
    assert len(texts) >= 10
    assert quarantine.path.stat().st_mode & 0o777 == 0o600
    assert quarantine.counts["x"] == 100


def test_odd_text_is_kept(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, redact=redact, now=now)
    quarantine.keep("x", "\ud800\x00\n币", "why")
    assert lines(quarantine)[0]["text"] == "\ud800\x00\n币"


def test_trouble_with_the_disk_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    quarantine = Quarantine(tmp_path / "missing", redact=redact, now=now)
    with caplog.at_level(logging.WARNING):
        quarantine.keep("x", "a", "why")
        quarantine.keep("x", "b", "why")
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{tmp_path}/missing/quarantine.jsonl: unreadable frames are counted but not kept: "
        "No such file or directory"
    )
    assert quarantine.counts == {"x": 2}


def test_without_a_folder_frames_are_counted() -> None:
    quarantine = Quarantine(None, redact=redact, now=now)
    quarantine.keep("x", "a", "why")
    assert (quarantine.path, quarantine.counts) == (None, {"x": 1})
