"""Compiled drawing shows the same images; it is chosen where it pays, and refused where it cannot be."""

import copy

import pytest
import torch

from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.networks import inference
from lfsgan_cli.networks.inference import NoCompilerError, compiled, is_worth_it
from lfsgan_cli.testing import tiny_generator

CPU = torch.device("cpu")


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)


@pytest.fixture
def a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/bin/sh")  # anything that can be run


@pytest.mark.usefixtures("a_compiler")
def test_it_pays_for_many_images_and_sooner_for_larger_ones() -> None:
    assert not is_worth_it("auto", 64, 32, CPU)
    assert not is_worth_it("auto", 50_000, 32, CPU)
    assert is_worth_it("auto", 50_000, 64, CPU)


@pytest.mark.usefixtures("a_compiler")
def test_on_a_processor_it_never_pays_for_large_images() -> None:
    assert not is_worth_it("auto", 10**6, 256, CPU)


@pytest.mark.usefixtures("a_compiler")
def test_what_the_user_chose_stands() -> None:
    assert is_worth_it("on", 1, 16, CPU)
    assert not is_worth_it("off", 10**9, 1024, CPU)


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_it_is_left_out_or_refused_in_words() -> None:
    assert not is_worth_it("auto", 10**9, 1024, CPU)
    with pytest.raises(NoCompilerError, match=r"a C\+\+ compiler was not found"):
        is_worth_it("on", 1, 16, CPU)


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize(("triton", "missing"), [(None, "the package triton"), (object(), "a C compiler")])
def test_a_gpu_needs_triton_and_the_c_compiler_that_triton_needs(
    monkeypatch: pytest.MonkeyPatch, triton: object, missing: str
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(inference, "find_spec", lambda _name: triton)
    with pytest.raises(NoCompilerError, match=f"{missing} was not found"):
        is_worth_it("on", 1, 16, torch.device("cuda"))
    if triton:
        monkeypatch.setenv("CC", "/bin/sh")
        assert is_worth_it("on", 1, 16, torch.device("cuda"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch.compile's own making; users do not see them
def test_a_compiled_generator_generates_what_the_plain_one_generates() -> None:
    generator = tiny_generator()
    before = copy.deepcopy(generator.state_dict())
    seeds = range(5)  # one full batch and a rest, which the plain network generates
    fast = torch.cat(list(sample(compiled(generator, 4), seeds, batch=4))).int()
    assert (fast - torch.cat(list(sample(generator, seeds, batch=4))).int()).abs().max() <= 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
