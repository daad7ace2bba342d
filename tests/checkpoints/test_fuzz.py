"""Whatever is wrong with a file, every reader says so in one line, soon, without much memory and running nothing."""

import argparse
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lfsgan_adapters.left import LeFT
from safetensors.torch import save
from torch import Tensor

from lfsgan_cli import taskfile
from lfsgan_cli.taskfile import TaskInfo
from lfsgan_cli.workspace import Workspace
from tests.conftest import GOLDEN

ROOT = Path(__file__).parent.parent.parent
IN_A_PROCESS = 500  # files; what one process leaks would otherwise pass for what a file takes
PATIENCE = 600  # seconds for a process


class Malicious:
    """Runs something as soon as it is unpickled."""

    def __init__(self, call: Any, *arguments: str) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return self.call, self.arguments


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, reference_workspace: Path, rosinality: dict[str, dict[str, Tensor]]
) -> Path:
    """A workspace, and undamaged samples of all that lfsgan reads, with malicious ones among them."""
    folder = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(reference_workspace, folder / "workspace")
    (folder / "samples").mkdir()
    for name, data in samples(folder, rosinality):
        (folder / "samples" / name).write_bytes(data)
    return folder


def samples(folder: Path, rosinality: dict[str, dict[str, Tensor]]) -> Iterator[tuple[str, bytes]]:
    yield "base", (folder / "workspace" / "base.safetensors").read_bytes()
    yield "task", own_task(folder)
    checkpoint = {"g_ema": rosinality["g_ema"], "args": argparse.Namespace(latent=32), "ada_aug_p": 0.5}
    yield "rosinality zip", saved(checkpoint)
    yield "rosinality legacy", saved({**checkpoint, "d": rosinality["d"]}, zipped=False)
    yield "rosinality safetensors", save({f"g_ema.{name}": t.contiguous() for name, t in rosinality["g_ema"].items()})
    official = (GOLDEN / "lfsgan_task.pt").read_bytes()
    yield "lfsgan zip", official
    yield "lfsgan legacy", saved(torch.load(io.BytesIO(official), weights_only=True), zipped=False)
    for name in ("nvidia", "malicious_1_outer", "malicious_2_nested"):
        yield name, (GOLDEN / f"{name}.pkl").read_bytes()
    for name, content in strange(torch.load(io.BytesIO(official), weights_only=True)["g_ema"], rosinality["g_ema"]):
        yield f"strange {name}", saved(content)
    touch = f"touch {folder / 'marker'}"
    for name, call in {"system": os.system, "exec": exec, "popen": subprocess.getoutput}.items():
        argument = touch if name != "exec" else f"import os; os.system({touch!r})"
        bad = Malicious(call, argument)
        yield f"malicious {name}", pickle.dumps({"G_ema": bad, "g_ema": bad})
        yield f"malicious {name} zip", saved({"g_ema": bad})
        yield f"malicious {name} legacy", saved({"g_ema": bad}, zipped=False)


def strange(task: dict[str, Tensor], base: dict[str, Tensor]) -> Iterator[tuple[str, Any]]:
    """What torch saves and reads without a word, and what no program of ours could go on with."""
    knot: dict[Any, Any] = {}
    knot["g_ema"] = knot
    yield from {"knot": knot, "numbers": {"g_ema": {1: 2}}, "list": [[]], "nothing": None}.items()
    tensors = {
        "sparse": torch.eye(3).to_sparse(), "meta": torch.empty(3, device="meta"), "complex": torch.ones(3) * 1j,
        "expanded": torch.zeros(1).expand(2**20, 2**20), "scalar": torch.tensor(1.0), "empty": torch.empty(0, 0),
        "integers": torch.ones(3, 3, dtype=torch.int64), "small": torch.ones(3, 3).to(torch.float8_e4m3fn),
        "nan": torch.full((32, 1), torch.nan),
    }  # fmt: skip
    for kind, tensor in tensors.items():
        yield f"task {kind}", {"g_ema": {**task, "conv1.conv.weight_modulation.w_mul1_out_channel_wise": tensor}}
        yield f"base {kind}", {"g_ema": {**base, "conv1.conv.weight": tensor}}
        yield f"base mean {kind}", {"g_ema": base, "latent_avg": tensor}


def own_task(folder: Path) -> bytes:
    workspace = Workspace(folder / "workspace")
    config = {"rank": 1, "activation": True, "additive": True, "init": "paper"}
    adapter = LeFT(workspace.base.average, LeFT.Config(rank=1, init="paper"))
    tensors = adapter.tensors() | {"w_mean": workspace.base.average.w_mean}
    taskfile.write(folder / "task", TaskInfo("dogs", "left", "1", config, workspace.base_info, {}), tensors)
    return (folder / "task").read_bytes()


def saved(content: Any, *, zipped: bool = True) -> bytes:
    whole = io.BytesIO()
    torch.save(content, whole, _use_new_zipfile_serialization=zipped)
    return whole.getvalue()


def fuzz(folder: Path, first: int, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.checkpoints.fuzzing", str(folder), str(first), str(count)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert run.returncode == 0, f"the process died of {folder / f'damaged{first}'}: {run.stderr[-3000:]}"
    outcome: dict[str, Any] = json.loads(run.stdout)
    return outcome


def check(folder: Path, first: int, files: int) -> None:
    outcomes = [fuzz(folder, first + part, min(IN_A_PROCESS, files - part)) for part in range(0, files, IN_A_PROCESS)]
    assert sum(outcome["files"] for outcome in outcomes) == files
    assert [failure for outcome in outcomes for failure in outcome["failures"]] == []
    assert [event for outcome in outcomes for event in outcome["executed"]] == []
    assert not (folder / "marker").exists()
    for reader in ("base", "task", "checkpoint", "published task"):
        refused = sum(outcome["counts"][f"{reader} refused"] for outcome in outcomes)
        assert refused > files / 2  # most damage is seen; what changed only numbers of another program cannot be


def test_a_damaged_file_is_refused_in_one_line_and_runs_nothing(folder: Path) -> None:
    check(folder, first=0, files=200)


@pytest.mark.slow
def test_two_thousand_damaged_files_are_refused_in_one_line_and_run_nothing(folder: Path) -> None:
    check(folder, first=1000, files=2000)


def test_the_watch_sees_what_it_is_there_to_see(folder: Path) -> None:
    program = (
        "import os, pathlib, sys; from tests.checkpoints.fuzzing import Watch; watch = Watch()\n"
        "with watch.over('base'):\n    os.system('true'); exec('1'); open(sys.argv[1], 'w').close()\n"
        "print(*watch.seen, sep='\\n')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, folder / "written"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [word for word in ("os.system", "exec", "open", "written") if word not in run.stdout] == []
