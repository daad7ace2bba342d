"""A report of somebody else's folder: whatever its files say is refused by line, or shown as plain text."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfsgan_cli.benchmark.results import read_runs
from lfsgan_cli.generation.output import encode
from lfsgan_cli.io import json as jsonlines
from lfsgan_cli.io.json import DamagedLinesError, UnreadableLinesError, read_lines, read_object
from lfsgan_cli.report.html import to_html
from lfsgan_cli.report.images import image_grid, training_images, within
from lfsgan_cli.report.measurements import read_metrics
from lfsgan_cli.report.model import Facts, Gap, ImageGrid, Listing, Page, Section, Table
from lfsgan_cli.report.text import to_csv, to_markdown
from lfsgan_cli.report.workspace import losses, retention_section
from tests.report.conftest import benchmark_page

EVIL = "\x1b[31m[red]<b>\u202egnp.exe\x00\udcff"


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 50 + "1" + "}" * 50, '{"a":1,"a":2}', '{"a":9223372036854775808}', "[]", '"a"']
)
def test_a_line_that_no_program_of_ours_wrote_is_named(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "lines", f'{{"a": 1}}\n{text}\n')
    with pytest.raises(DamagedLinesError, match="line 2: expected a JSON object"):
        read_lines(path)


def test_a_file_that_would_fill_the_memory_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonlines, "MOST_BYTES", 10)
    path = written(tmp_path / "lines", '{"a": 123}\n')
    for read in (read_lines, read_object):
        with pytest.raises(UnreadableLinesError, match="it has 11 bytes, and 10 are the most here"):
            read(path)


def test_a_separator_within_a_text_ends_no_line(tmp_path: Path) -> None:
    assert read_lines(written(tmp_path / "lines", '{"a": "\u2028"}\n')) == [{"a": "\u2028"}]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("step", "1"), ("step", 10**9), ("step", 7), ("step", -1), ("seed", 1.5), ("seed", 2**40),
        ("method", "../../etc"), ("method", ["left"]),
        ("task", EVIL), ("adapter", "x" * 5000), ("seconds", float("nan")), ("seconds", "1"),
        ("parameters", True), ("peak_memory_mb", float("inf")), ("results", 5),
        ("sequential", "yes"), ("results", [{"domain": "cats"}]),
        ("results", [{"domain": "../x", "metric": "fid", "name": "fid", "value": 1}]),
        ("results", [{"domain": "cats", "metric": "fid", "name": "fid", "value": float("nan")}]),
    ],
)  # fmt: skip
def test_a_run_with_any_other_value_is_refused(
    tmp_path: Path, lines: list[dict[str, Any]], key: str, value: object
) -> None:
    written(tmp_path / "runs.jsonl", json.dumps({**lines[0], key: value}) + "\n")
    with pytest.raises(DamagedLinesError, match="line 1"):
        read_runs(tmp_path)


@pytest.mark.parametrize(
    ("read", "line"),
    [
        (losses, {"step": "one", "d": 1.0}),
        (losses, {"step": [1], "d": 1.0}),
        (read_metrics, {"metric": "fid", "name": "fid", "value": 1, "reals": 5}),
        (read_metrics, {"metric": "fid", "name": "fid", "value": "1"}),
    ],
)
def test_other_logs_are_refused_by_line_as_well(
    tmp_path: Path, read: Callable[[Path], object], line: dict[str, Any]
) -> None:
    with pytest.raises(DamagedLinesError, match="line 1"):
        read(written(tmp_path / "log", json.dumps(line) + "\n"))


def test_a_verdict_of_any_shape_proves_nothing_and_is_shown(tmp_path: Path) -> None:
    strange: dict[str, Any] = {"base": [1], "task": {}, "pictures": None, "compared": [1], "why": EVIL}
    document = {"checked": "0001-01-01T00:00:00+14:00", "tasks": {"dogs": strange}}
    written(tmp_path / "retention.json", json.dumps(document).replace("\\udcff", ""))
    facts, table = retention_section(tmp_path).blocks
    assert isinstance(facts, Facts)
    assert dict(facts.facts)["checked"] == "at an unknown time"
    assert isinstance(table, Table)
    assert table.rows[0][1:5] == ("not proven", "not compared", "not compared", "None")


def page(text: str) -> Page:
    table = Table(text, ("task", text), ((text, 1.0),), text)
    blocks = (table, Facts(text, ((text, text),)), Listing(text, f"{text}\n{text}"), Gap(text, text, text))
    return Page("Workspace", text, text, (), (Section("s", text, blocks),))


@pytest.mark.parametrize("write", [to_html, lambda found: to_markdown(found, "r.html"), to_csv])
def test_no_text_reaches_a_file_with_escapes_in_it(write: Callable[[Page], str]) -> None:
    text = write(page(EVIL))
    assert [line for line in text.split("\n") if not line.isprintable()] == []
    assert r"\x1b[31m" in text.replace("\\\\", "\\").replace("\\[", "[")  # Markdown's own marks in front of ours
    text.encode()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_name_becomes_a_formula(text: str) -> None:
    assert f"'{text}" in to_csv(page(text))
    assert f",{text}" not in to_csv(page(text))


def test_no_image_from_outside_of_the_folder_is_shown(tmp_path: Path) -> None:
    secret, run = tmp_path / "secret", tmp_path / "run"
    for folder in (secret, run):
        folder.mkdir()
        (folder / "a.png").write_bytes(encode(np.zeros((2, 2, 3), np.uint8), {}))
    (run / "link.png").symlink_to(secret / "a.png")
    (run / "few_shots").symlink_to(secret, target_is_directory=True)
    assert within(run, "*.png") == [run / "a.png"]
    assert within(run, "few_shots/*.png") == []


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(100), encode(np.zeros((600, 600, 3), np.uint8), {})[:200]],
)
def test_what_is_no_whole_image_is_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert training_images("cats", [tmp_path / "a.png"]).pictures == ()
    if len(content) != 200:  # a grid of that size is shown as it is, and a browser shows what there is
        assert isinstance(image_grid("Grid", tmp_path / "a.png", "alt"), Gap)
    assert isinstance(image_grid("Grid", _good(tmp_path), "alt"), ImageGrid)


def _good(folder: Path) -> Path:
    (folder / "good.png").write_bytes(encode(np.zeros((2, 2, 3), np.uint8), {}))
    return folder / "good.png"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_in_a_benchmarks_folder_are_not_waited_for(bench: Path) -> None:
    (bench / "suite.toml").unlink()
    os.mkfifo(bench / "suite.toml")
    assert "has no suite.toml that can be read" in to_html(benchmark_page(bench))
