"""A pickle is read as values: whatever it asks for beyond that is refused, and nothing that it brings along runs."""

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lfsgan_cli.checkpoints import safe_pickle, torch_file
from lfsgan_cli.checkpoints.checkpoint import CheckpointError
from lfsgan_cli.checkpoints.safe_pickle import DamagedPickleError, TensorFlowPickleError, load
from lfsgan_cli.checkpoints.torch_file import LONGEST, MOST_TUPLES, ForeignGlobalError
from tests.checkpoints.nvidia_pickles import EasyDict, Module, generator, module, write
from tests.conftest import GOLDEN

EMPTY: dict[str, Any] = {"_parameters": {}, "_buffers": {}, "_modules": {}}  # a module of nothing


def refused(path: Path, kind: type[CheckpointError]) -> str:
    with pytest.raises(kind) as error:
        load(path)
    assert len(str(error.value).splitlines()) == 1
    assert path.name in str(error.value)
    return str(error.value)


def put(folder: Path, content: bytes) -> Path:
    path = folder / "network.pkl"
    path.write_bytes(content)
    return path


class Touch:
    """Unpickled naively, makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


# --- nothing is executed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["malicious_1_outer.pkl", "malicious_2_nested.pkl"])
def test_the_malicious_samples_are_refused_and_leave_no_marker(name: str) -> None:
    marker = Path(f"/tmp/golden_pwned_{name.split('_')[1]}")  # noqa: S108 - written in the samples
    marker.unlink(missing_ok=True)
    sentence = refused(GOLDEN / name, ForeignGlobalError)
    assert "refused: it asks for os.system" in sentence
    assert "nothing was executed" in sentence
    assert not marker.exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("place", ["G_ema", "training_set_kwargs", "augment_pipe", "within"])
def test_a_call_is_refused_wherever_it_stands(tmp_path: Path, place: str, protocol: int) -> None:
    marker = tmp_path / "marker"
    document: dict[str, object] = {"G_ema": module(generator())}
    document |= {"G": module({}, {"a.b.activation": Touch(marker)})} if place == "within" else {place: Touch(marker)}
    assert "os.system" in refused(write(tmp_path / "network.pkl", document, protocol), ForeignGlobalError)
    assert not marker.exists()


def test_a_call_in_a_storage_that_no_tensor_uses_is_refused(tmp_path: Path) -> None:
    marker, inside = tmp_path / "marker", io.BytesIO()
    torch.save(Touch(marker), inside, _use_new_zipfile_serialization=False)
    document = {"G_ema": module(generator()), "augment_pipe": Loaded(inside.getvalue())}
    assert "os.system" in refused(write(tmp_path / "network.pkl", document), ForeignGlobalError)
    assert not marker.exists()


class Loaded:
    """Pickled as torch pickles a storage."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __reduce__(self) -> tuple[Any, ...]:
        return torch.storage._load_from_bytes, (self.content,)


def test_the_source_text_in_the_file_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    source = f"from pathlib import Path\nPath({str(marker)!r}).touch()\nclass Network:\n    pass\n"
    found = load(write(tmp_path / "network.pkl", {"G_ema": module(generator(), source=source)}))
    assert found["G_ema"].tensors.keys() == generator().keys()
    assert not marker.exists()


def test_reading_imports_nothing_of_nvidia_s(tmp_path: Path) -> None:
    load(write(tmp_path / "network.pkl", {"G_ema": module(generator(), {"_init_kwargs": EasyDict(c_dim=0)})}))
    assert not {"torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util"} & sys.modules.keys()


@pytest.mark.parametrize(
    "asked",
    ["builtins eval", "builtins getattr", "os system", "torch load", "numpy load", "collections deque", "nt system"],
)
def test_only_what_is_in_the_list_can_be_asked_for(tmp_path: Path, asked: str) -> None:
    module_name, name = asked.split()
    sentence = refused(put(tmp_path, f"\x80\x02c{module_name}\n{name}\n.".encode("latin1")), ForeignGlobalError)
    assert f".{name}," in sentence


def test_a_name_cannot_steer_the_terminal(tmp_path: Path) -> None:
    asked = "os\x1b[2J\r", "x" * 5000
    content = (
        b"\x80\x04" + b"".join(b"X" + len(word).to_bytes(4, "little") + word.encode() for word in asked) + b"\x93."
    )
    sentence = refused(put(tmp_path, content), ForeignGlobalError)
    assert sentence.isprintable()
    assert len(sentence) < 400  # a few lines of a terminal


def test_pickles_of_tensorflow_name_the_way_out(tmp_path: Path) -> None:
    content = b"\x80\x03cdnnlib.tflib.network\nNetwork\n)\x81}b."
    assert "legacy.py" in refused(put(tmp_path, content), TensorFlowPickleError)


STAND_INS = [
    b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n",
    b"ctorch.storage\n_load_from_bytes\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_parameter\n",
    b"ccollections\nOrderedDict\n",
    b"c__builtin__\nset\n",
    b"cnumpy\ndtype\n",
]


@pytest.mark.parametrize("stand_in", STAND_INS)
@pytest.mark.parametrize("state", [b"}U\x08__init__Ns", b"N}U\x08__init__Ns\x86"], ids=["attributes", "slots"])
def test_a_pickle_cannot_change_what_stands_in(tmp_path: Path, stand_in: bytes, state: bytes) -> None:
    before = {name: dict(vars(kind)) for name, kind in vars(safe_pickle).items() if isinstance(kind, type)}
    refused(put(tmp_path, b"\x80\x02" + stand_in + state + b"b."), DamagedPickleError)
    assert before == {name: dict(vars(kind)) for name, kind in vars(safe_pickle).items() if isinstance(kind, type)}


# --- nothing is let grow ---------------------------------------------------------------------------------------------

HUGE = (2**62).to_bytes(8, "little")
BOMBS = {
    "a memory of four billion places": b"\x80\x04Nr\xff\xff\xff\xff.",
    "bytes without an end": b"\x80\x04\x8e" + HUGE + b".",
    "text without an end": b"\x80\x04\x8d" + HUGE + b".",
    "a bytearray without an end": b"\x80\x05\x96" + HUGE + b".",
    "a frame without an end": b"\x80\x04\x95" + HUGE + b"N.",
    "a number of many digits": b"\x80\x04L" + b"9" * 100_000 + b"L\n.",
    "too many instructions": b"\x80\x04" + b"N0" * (LONGEST // 2 + 1) + b"N.",
    "a name as deep as no stack": b"\x80\x04})" + b"\x85" * (4 * MOST_TUPLES) + b"K\x01s.",
    "a registered extension": b"\x80\x04\x82\x01.",
    "an object elsewhere": b"\x80\x04Pelsewhere\n.",
    "nothing on the stack": b"\x80\x04.",
    "no end": b"\x80\x04}",
    "bytes that are no storage": b"\x80\x03ctorch.storage\n_load_from_bytes\nC\x03abc\x85R.",
    "a storage that is no bytes": b"\x80\x03ctorch.storage\n_load_from_bytes\nN\x85R.",
    "a network of nothing": b"\x80\x02ctorch_utils.persistence\n_reconstruct_persistent_obj\nN\x85R.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_one_sentence(tmp_path: Path, name: str) -> None:
    refused(put(tmp_path, BOMBS[name]), DamagedPickleError)


def test_deep_nesting_is_no_matter(tmp_path: Path) -> None:
    assert load(put(tmp_path, b"\x80\x04})" + b"\x85" * MOST_TUPLES + b"K\x01s.")) == {}


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path: Path) -> None:
    vast = torch.zeros(1).expand(2**40)
    refused(write(tmp_path / "network.pkl", {"G_ema": module({"synthesis.b4.const": vast})}), DamagedPickleError)


def test_modules_that_hold_themselves_are_refused(tmp_path: Path) -> None:
    inner: dict[str, Module] = {}
    knot = Module("Layer", EMPTY | {"_modules": inner})
    inner["itself"] = knot
    refused(
        write(tmp_path / "network.pkl", {"G_ema": Module("Network", EMPTY | {"_modules": inner})}), DamagedPickleError
    )


def test_modules_that_are_shared_without_an_end_are_refused(tmp_path: Path) -> None:
    layer = Module("Layer", dict(EMPTY))
    for _ in range(7):  # twenty to the seventh modules, in a file of a few kilobytes
        layer = Module("Layer", EMPTY | {"_modules": {str(index): layer for index in range(20)}})
    refused(write(tmp_path / "network.pkl", {"G_ema": layer}), DamagedPickleError)


def test_every_cut_and_every_single_damaged_byte_is_one_sentence_or_a_reading(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.pkl", {"G_ema": module({"b4.const": torch.zeros(2)})}).read_bytes()
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 0x55
        for content in (whole[:place], bytes(flipped)):
            try:
                load(put(tmp_path, content))
            except CheckpointError as error:
                assert len(str(error).splitlines()) == 1  # noqa: PT017 - most are refused, some bytes say nothing


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the largest memory so far")
def test_reading_takes_little_more_memory_than_the_file(tmp_path: Path) -> None:
    tensors = {f"l{index}.weight": torch.randn(1 << 20) for index in range(24)}  # 4 MiB each
    path = write(tmp_path / "large.pkl", {"G_ema": module(tensors)})
    small = write(tmp_path / "small.pkl", {"G_ema": module({"l0.weight": torch.randn(8)})})
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom lfsgan_cli.checkpoints.safe_pickle import load\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "load(Path(sys.argv[1])); before = peak()\nload(Path(sys.argv[2])); print((peak() - before) * 1024)"
    )
    grown = int(subprocess.check_output([sys.executable, "-c", script, str(small), str(path)], timeout=120))
    assert grown < 1.5 * path.stat().st_size


def test_tensors_are_those_of_the_file_in_any_memory_order(tmp_path: Path) -> None:
    whole = torch.arange(96.0).reshape(2, 3, 4, 4)
    tensors = {"a.weight": whole.to(memory_format=torch.channels_last), "b.weight": whole[1], "b.bias": whole[0, 1:]}
    found = load(write(tmp_path / "network.pkl", {"G": module(tensors), "D": None}))
    assert found.keys() == {"G"}
    assert found["G"].tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(found["G"].tensors[name], tensor)
        assert found["G"].tensors[name].is_contiguous()


def test_a_shared_parameter_is_read_twice(tmp_path: Path) -> None:
    one = nn.Parameter(torch.randn(3))
    state = EMPTY | {"_parameters": {"weight": one, "bias": one, "none": None}}
    tensors = load(write(tmp_path / "network.pkl", {"G": Module("Layer", state)}))["G"].tensors
    assert tensors.keys() == {"weight", "bias"}
    assert torch.equal(tensors["weight"], tensors["bias"])


def test_the_list_is_short() -> None:
    """Every name more is one more thing that files can ask for: think twice."""
    known = safe_pickle._STAND_INS
    networks = [kind for name, kind in known.items() if name not in torch_file.INERT]
    assert len(networks) == 7  # and two for tensors, made for each file
    assert set(torch_file.INERT.values()) == {torch_file.Inert, torch_file.Encoded, torch_file.Defaults}
    assert len(torch_file.INERT) == 28


def test_python_s_own_reader_would_have_run_the_code(tmp_path: Path) -> None:
    """The marker of these tests works: what they hold harmless is not."""
    marker = tmp_path / "marker"
    content = pickle.dumps(Touch(marker))
    script = "import pickle, sys; pickle.Unpickler(open(sys.argv[1], 'rb')).load()"
    subprocess.run([sys.executable, "-c", script, str(put(tmp_path, content))], check=True, timeout=60)
    assert marker.exists()
