"""Tab completes the names of tasks, adapters, recipes and bases, in the shells themselves."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LINES = [
    ("lfsgan generate --task c", ["cats"]),
    ("lfsgan tasks show d", ["dogs"]),
    ("lfsgan generate --workspace other --task f", ["foxes"]),
    ("lfsgan learn-task --adapter l", ["left", "lora"]),
    ("lfsgan adapters ca", ["cam"]),
    ("lfsgan learn-task --recipe p", ["paper"]),
    ("lfsgan pretrain --init-from lfsgan_workspace/b", ["lfsgan_workspace/base.safetensors"]),
    ("lfsgan generate --device cp", ["cpu"]),
    ("lfsgan generate --trunc", ["--truncation"]),
]
PROGRAM = f"#!{sys.executable}\nfrom lfsgan_cli.app import app\napp()\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two workspaces, whose files need not be whole for their names, and the program on the path."""
    for name in ("lfsgan_workspace/tasks/cats", "lfsgan_workspace/tasks/dogs", "other/tasks/foxes"):
        path = tmp_path / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "lfsgan_workspace" / "base.safetensors").touch()
    program = tmp_path / "bin" / "lfsgan"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "adapters")]))
    monkeypatch.delenv("LFSGAN_WORKSPACE", raising=False)
    return tmp_path


def proposals(*command: str) -> list[tuple[str, list[str]]]:
    """What a shell proposes for each of the lines: it prints `LINE: NAMES`."""
    lines = [line for line, _ in LINES]
    run = subprocess.run([*command, *lines], capture_output=True, text=True, check=True, timeout=120)
    return [(line, names.split()) for line, _, names in (row.partition(": ") for row in run.stdout.splitlines())]


@pytest.mark.usefixtures("home")
@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_proposes_the_names() -> None:
    script = (
        'source <(lfsgan --show-completion bash); for line in "$@"; do COMP_WORDS=($line); '
        'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _lfsgan_completion lfsgan; echo "$line: ${COMPREPLY[*]}"; done'
    )
    assert proposals("bash", "--norc", "-c", script, "-") == LINES


@pytest.mark.usefixtures("home")
@pytest.mark.skipif(not shutil.which("fish"), reason="needs fish")
def test_fish_proposes_the_names() -> None:
    script = (
        "lfsgan --show-completion fish | source; "
        'for line in $argv; set names (complete -C "$line" | string split -f 1 \\t); echo "$line: $names"; end'
    )
    assert proposals("fish", "--no-config", "-c", script) == LINES


@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
def test_zsh_completes_a_name_in_a_terminal(home: Path) -> None:
    import pty

    (home / ".zshrc").write_text(
        "autoload -U compinit; compinit -u -D; eval \"$(lfsgan --show-completion zsh)\"; PS1='READY> '\n"
    )
    leader, follower = pty.openpty()
    environment = {**os.environ, "ZDOTDIR": str(home), "TERM": "dumb", "HOME": str(home)}
    shell = subprocess.Popen(["zsh", "-i"], stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    try:
        _until(leader, "READY> ")
        os.write(leader, b"lfsgan generate --task c\t")
        shown = _until(leader, "--task cats")
        assert "--task cats" in shown
    finally:
        shell.kill()
        shell.wait()
        os.close(leader)


def _until(leader: int, text: str, patience: float = 60) -> str:
    """What a terminal shows until `text` is in it."""
    import select

    shown, end = "", time.monotonic() + patience
    while text not in shown and time.monotonic() < end:
        if select.select([leader], [], [], 0.2)[0]:
            shown += os.read(leader, 65536).decode(errors="replace")
    return shown


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("line", ["lfsgan generate --task c", "lfsgan learn-task --adapter l"])
def test_a_proposal_is_made_without_torch(line: str) -> None:
    environment = {
        **os.environ, "_LFSGAN_COMPLETE": "complete_bash", "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }  # fmt: skip
    program = (
        "import sys, atexit\natexit.register(lambda: print('torch' in sys.modules))\n"
        "sys.argv = ['lfsgan']\nfrom lfsgan_cli.app import app\napp()"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert run.stdout.split()[-1] == "False"
