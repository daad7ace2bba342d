"""The words of StyleGAN and PEFT, not our own: in the sources, in every message and on every help page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.messages import messages

ROOT = Path(__file__).parent.parent
# What was written once, and what the field says.
PHRASES = {
    r"kept states?\b": "checkpoint",
    r"files? of strangers|strangers' files?": "untrusted file",
    r"map of the house": "code layout",
    r"near cop(y|ies)\b": "near-duplicate",
    r"copyists?\b": "memorization",
    r"cost of cop(y|ies)\b|copies cost": "memorization penalty",
    r"passed over\b": "skipped",
    r"yardsticks?\b": "reference",
    r"rivals?\b": "baseline",
    r"witness(es)?\b": "independent metric",
    r"of every random choice": "random seed",
    r"what computes\b": "device to run on",
    r"\blikeness(es)?\b": "perceptual distance",
    r"how unlike\b": "perceptual distance",
    r"by both counts": "on both metrics",
    r"\b(un)?soundness\b|\bunsound\b": "divergence, non-finite",
    r"fell to blank": "collapsed to blank images",
    r"number types?\b": "dtype",
    r"mean w\b": "w_avg",
    r"\bstills?\b(?= of)": "thumbnail",
    r"\bmended\b": "fixed, corrected",
    r"live generator": "raw generator",
    r"keeping house": "managing",
    r"goes on (with|from) the (run|state)": "resumes",
    r"is refused where": "fails with",
}
PATTERN = re.compile("|".join(f"(?:{phrase})" for phrase in PHRASES), flags=re.IGNORECASE)
# A line that has to name such a word: this list, and words of formats that others chose.
EXCEPTIONS: tuple[str, ...] = ("latent_avg",)
SOURCES = sorted(path for folder in ("lfsgan_cli", "adapters") for path in (ROOT / folder).rglob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]  # the archive is a record


def found(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = PATTERN.search(line)
        if match and not any(word in line for word in EXCEPTIONS):
            yield f"{path.relative_to(ROOT)}:{number}: {match[0]!r}; write {instead(match[0])!r}"


def instead(text: str) -> str:
    return next(word for phrase, word in PHRASES.items() if re.fullmatch(phrase, text, flags=re.IGNORECASE))


def test_sources_and_pages_use_the_words_of_the_field() -> None:
    assert not [line for path in (*SOURCES, *PAGES) for line in found(path)]


@pytest.mark.parametrize("phrase", ["the kept state is damaged", "files of strangers", "Likeness is judged by x"])
def test_a_phrase_of_our_own_would_be_found(phrase: str) -> None:
    assert PATTERN.search(phrase)


def test_an_error_says_what_it_found_before_it_says_what_to_do() -> None:
    """No solution hides in a parenthesis at a message's end."""
    hidden = [
        str(one) for one in messages() if re.search(r"\((give|pass|use|run|name|try|see|say) [^)]*\)\.?$", one.text)
    ]
    assert not hidden


def test_a_message_says_pass_for_an_option() -> None:
    """As language.md has it: `pass --x`, not `give --x`."""
    assert not [str(one) for one in messages() if re.search(r"\bgive (either )?--?[a-z]", one.text)]
