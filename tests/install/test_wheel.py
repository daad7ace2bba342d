"""What is published: the wheel holds both packages and nothing else, and works where nothing else is installed."""

import configparser
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lfsgan_cli import __version__

pytestmark = pytest.mark.install

ROOT = Path(__file__).parents[2]
BUILT_IN = {"left", "full", "cam", "lora", "adafm", "kml", "svd", "delta-w", "stylespace"}
RECIPES = {"default", "paper", "tgan", "freezed", "ada", "ewc", "cdc", "dcl"}
Program = Callable[..., str]


@pytest.fixture
def wheel(built: Path) -> zipfile.Path:
    [file] = built.glob("*.whl")
    return zipfile.Path(file)


def _names(wheel: zipfile.Path) -> set[str]:
    return {name for name in wheel.root.namelist() if not name.endswith("/")}


def test_the_wheel_holds_the_two_packages_and_nothing_else(wheel: zipfile.Path) -> None:
    metadata = f"lfsgan-{__version__}.dist-info"
    assert {name.split("/")[0] for name in _names(wheel)} == {"lfsgan_cli", "lfsgan_adapters", metadata}


@pytest.mark.parametrize("package", ["lfsgan_cli", "adapters/lfsgan_adapters"])
def test_every_module_of_the_checkout_is_in_the_wheel(wheel: zipfile.Path, package: str) -> None:
    folder = ROOT / package
    modules = {path.relative_to(folder.parent).as_posix() for path in folder.rglob("*.py")}
    assert modules
    assert modules <= _names(wheel)
    assert f"{folder.name}/py.typed" in _names(wheel)


def test_the_wheel_brings_the_embedded_base_in_ten_megabytes_and_the_weights_of_lpips(wheel: zipfile.Path) -> None:
    assets = [info for info in wheel.root.infolist() if info.filename.startswith("lfsgan_cli/assets/")]
    sizes = {info.filename.rpartition("/")[2]: info.file_size for info in assets}
    assert set(sizes) == {"avatars-64-2.safetensors", "lpips-vgg-linear.safetensors"}
    assert sizes["avatars-64-2.safetensors"] <= 10_000_000  # the limit that the project set itself
    assert sizes["lpips-vgg-linear.safetensors"] <= 10_000


def test_the_wheel_names_its_licences_program_and_adapters(wheel: zipfile.Path) -> None:
    metadata = wheel / f"lfsgan-{__version__}.dist-info"
    assert {path.name for path in (metadata / "licenses").iterdir()} == {"LICENSE", "NOTICE"}
    points = configparser.ConfigParser()
    points.read_string((metadata / "entry_points.txt").read_text(encoding="utf-8"))
    assert dict(points["console_scripts"]) == {"lfsgan": "lfsgan_cli.app:app"}
    assert set(points["lfsgan.adapters"]) >= BUILT_IN
    assert set(points["lfsgan.recipes"]) >= RECIPES


def test_the_sdist_brings_what_its_tests_need_and_no_leftovers(built: Path) -> None:
    [file] = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for path in ("README.md", "NOTICE", "constraints.txt", "docs/adapters.md", "tests/commands/test_main.py"):
        assert path in names
    assert {"examples/lfsgan-bitfit/lfsgan_bitfit.py", "examples/lfsgan-palette/lfsgan_palette.py"} <= set(names)
    assert len([name for name in names if name.startswith("examples/few_shots/")]) == 30
    assert not [name for name in names if "__pycache__" in name or ".venv" in name or "node_modules" in name]


def test_the_installed_program_introduces_itself(run: Program) -> None:
    assert run("lfsgan", "--version").startswith(f"lfsgan {__version__} (torch ")
    assert "learn-task" in run("lfsgan", "--help")
    assert run("python", "-m", "lfsgan_cli", "--version") == run("lfsgan", "--version")


def test_the_installed_program_finds_the_built_in_adapters_and_recipes(run: Program) -> None:
    adapters = run("lfsgan", "adapters")
    for name in BUILT_IN:
        assert name in adapters.split()
    assert "cannot be used" not in adapters
    recipes = run("lfsgan", "recipes")
    assert set(recipes.split()) >= RECIPES
    assert "cannot be used" not in recipes


def test_the_installed_program_is_not_this_checkout(run: Program) -> None:
    place = run("python", "-c", "import lfsgan_cli; print(lfsgan_cli.__file__)").strip()
    assert ROOT not in Path(place).parents
