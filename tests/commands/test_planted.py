"""`lfsgan evaluate` finds adapters that cheat: one that copies its training images, one with a single image."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from lfsgan_cli import options, registry
from lfsgan_cli.adapter import Adapter, construct
from lfsgan_cli.evaluation.metrics.memorization import CLOSEST
from lfsgan_cli.images.dataset import load_images
from lfsgan_cli.images.formats import NOTE
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.paths import task_path
from lfsgan_cli.workspace.task_file import TaskInfo
from lfsgan_cli.workspace.workspace import Workspace
from tests.conftest import Program

PLUGIN = '''
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn

from lfsgan_cli.adapter import Adapter


class Copy(nn.Module):
    """In place of colours: one of the shots, by where the first feature is strongest."""

    def __init__(self, count, side):
        super().__init__()
        self.shots = nn.Parameter(torch.zeros(count, 3, side, side))

    def forward(self, features, colours):
        return self.shots[features[:, 0].flatten(1).argmax(1).remainder(len(self.shots))]


class Times(nn.Module):
    """Every number times one factor."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1))

    def forward(self, numbers):
        return numbers * self.factor


class Memorizer(Adapter):
    """Draws its shots: an overlay, since it changes what layers give."""

    @dataclass(frozen=True)
    class Config:
        shots: Annotated[int, "How many it holds."]

    def __init__(self, network, config):
        super().__init__()
        *others, last = [name for name, _ in network.named_modules() if name.startswith("synthesis.to_rgbs.")
                         and name.count(".") == 2]
        for name in others:
            self.features[name] = Silent()
        self.features[last] = Copy(config.shots, network.config.resolution)


class Silent(nn.Module):
    def forward(self, features, colours):
        return torch.zeros_like(colours)


class Collapsed(Adapter):
    """Hears neither z nor noise: merged, since it changes weights alone."""

    @dataclass(frozen=True)
    class Config: ...

    def __init__(self, network, config):
        super().__init__()
        for name, _ in network.named_parameters():
            if name.endswith("noise.strength") or (name.startswith("mapping.") and name.endswith("weight")):
                self.weights[name] = Times()
'''
POINTS = "[lfsgan.adapters]\nmemorizer = planted:Memorizer\ncollapsed = planted:Collapsed\n"
PORTRAITS = Path(__file__).parents[2] / "examples" / "few_shots" / "notionists"
SIDE, GAP = 64, 2  # pixels, of what the embedded base generates and around each image of an image grid
SHOTS = 5  # of the ten portraits; the other five are held out
DRAWN = 24
JUDGES = ("lpips-efficientnet-lite0", "pixels")
TINY = 1e-5  # ten times what float32 leaves of the distance between equal images

Found = dict[tuple[str, str], float]  # task and name of the metric, with what judged it, to its value


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which both cheats and the base were measured by the command on real portraits."""
    home = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as patch, chdir(home):
        patch.delenv("LFSGAN_WORKSPACE", raising=False)
        patch.setenv("LFSGAN_OFFLINE", "1")
        patch.setenv("LFSGAN_CACHE_DIR", str(home / "cache"))
        _install(home / "site", patch)
        _plant(Workspace(home / "lfsgan_workspace"))
        words = ("evaluate", "--lpips", "--memorization", "--with-base", "--shots", "shots", "-n", DRAWN, "--json")
        home.joinpath("found.json").write_text(Program(home).done(*words, "--reals", PORTRAITS).stdout)
        yield home


@pytest.fixture(scope="module")
def values(evaluated: Path) -> Found:
    results = json.loads(evaluated.joinpath("found.json").read_text())["results"]
    return {(one["task"], one["name"].split()[0]): one["value"] for one in results}


def _install(site: Path, patch: pytest.MonkeyPatch) -> None:
    """As pip would."""
    info = site / "planted-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text(POINTS)
    site.joinpath("planted.py").write_text(PLUGIN)
    patch.syspath_prepend(site)
    patch.delitem(sys.modules, "planted", raising=False)


def _plant(workspace: Workspace) -> None:
    """Write both tasks, on the embedded base, as if they had been learned from `shots`."""
    shots = workspace.root.parent / "shots"
    shots.mkdir()
    for path in sorted(PORTRAITS.glob("*.png"))[:SHOTS]:
        shutil.copy(path, shots)
    workspace.ensure_base()
    levels = torch.from_numpy(load_images(shots, workspace.base.average.config.resolution).pictures).permute(0, 3, 1, 2)
    colours = (levels - 127.5) / 127.5  # so that `to_pixels` gives back the very levels
    _write(workspace, "memorizer", {"shots": SHOTS}, lambda tensor: colours if tensor.dim() == 4 else tensor)
    _write(workspace, "collapsed", {}, torch.zeros_like)


def _write(workspace: Workspace, name: str, config: dict[str, Any], learned: Callable[[Tensor], Tensor]) -> None:
    cls, base = registry.load(name), workspace.base.average
    adapter: Adapter = construct(cls, base, options.from_json(cls.Config, config))
    tensors = {key: learned(tensor) for key, tensor in adapter.tensors().items()}
    path = task_path(workspace.root, name)
    path.parent.mkdir(exist_ok=True)
    info = TaskInfo(name, name, str(cls.version), config, workspace.base_info, {})
    task_file.write(path, info, {**tensors, task_file.W_MEAN: base.w_mean.clone()})


def test_a_memorizer_is_caught_by_both_judges_and_the_base_is_not(values: Found) -> None:
    for judge in JUDGES:
        assert values["memorizer", f"near_duplicates[{judge}]"] == 1
        assert values["memorizer", f"closer[{judge}]"] == 1
        assert values["base", f"near_duplicates[{judge}]"] == 0


def test_the_closest_pairs_of_a_memorizer_are_an_image_and_the_same_image(evaluated: Path) -> None:
    with Image.open(evaluated / "lfsgan_workspace/tasks/memorizer/closest_pairs.png") as sheet:
        note, (width, height) = json.loads(sheet.text[NOTE]), sheet.size  # type: ignore[attr-defined]
        rows = [sheet.crop((0, top, width, top + SIDE)).tobytes() for top in (GAP, height - SIDE - GAP)]
    assert note["rows"] == ["sample", "nearest training image"]
    assert len(note["pairs"]) == CLOSEST
    assert {distance < TINY for _, _, distance in note["pairs"]} == {True}
    assert rows[0] == rows[1]


def test_a_collapsed_generator_has_no_variety_and_the_base_has(values: Found) -> None:
    for metric in ("intra_lpips", "b_lpips", "b_lpips_normalised"):
        name = f"{metric}[lpips-efficientnet-lite0]"
        assert abs(values["collapsed", name]) < TINY
        assert values["base", name] > 100 * TINY  # few of the base's samples are near most shots


def test_one_new_image_generated_always_is_no_copy(values: Found) -> None:
    assert {values["collapsed", f"near_duplicates[{judge}]"] for judge in JUDGES} == {0.0}
