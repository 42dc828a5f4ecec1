"""A staged state is the state as it was, whatever the training does next."""

import io
from collections import OrderedDict, defaultdict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resilient_training.checkpoints.staging import BuffersInUseError, Stager, sizes_of


def saved(state: object) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def loaded(content: bytes) -> Any:  # noqa: ANN401
    return torch.load(io.BytesIO(content), weights_only=True)


def test_what_the_training_changes_afterwards_is_not_in_the_staged_state() -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    rows = [(1, {"loss": 0.5})]
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "rows": rows}
    before = saved(state)
    staged = Stager().stage(state)
    nn.init.zeros_(model.weight)
    optimizer.param_groups[0]["lr"] = 7
    rows[0][1]["loss"] = 7
    rows.append((2, {}))
    assert loaded(saved(staged))["rows"] == [(1, {"loss": 0.5})]
    assert len(saved(staged)) == len(before)
    assert torch.equal(loaded(saved(staged))["model"]["weight"], loaded(before)["model"]["weight"])
    assert loaded(saved(staged))["optimizer"] == loaded(before)["optimizer"]


WEIGHT = nn.Parameter(torch.rand(2, 3))
KINDS = {
    "parameter": WEIGHT,
    "frozen parameter": nn.Parameter(torch.rand(2), requires_grad=False),
    "leaf": torch.rand(2, requires_grad=True),
    "not a leaf": WEIGHT * 2,
    "number": torch.tensor(3),
    "empty": torch.empty(0, 4),
    "bfloat16": torch.rand(3).bfloat16(),
    "float8": torch.rand(3).to(torch.float8_e4m3fn),
    "bool": torch.tensor([True, False]),
    "transposed": torch.rand(3, 4).T,
    "channels last": torch.rand(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
    "expanded": torch.rand(1, 3).expand(4, 3),
    "row": torch.rand(30, 3)[7],
    "column": torch.rand(30, 30)[:, 7],
    "sparse": torch.eye(3).to_sparse(),
    "conjugate": torch.rand(3, dtype=torch.cfloat).conj(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tensor_of_any_kind_is_staged_as_it_is(kind: str) -> None:
    tensor, stager = KINDS[kind], Stager()
    for _ in range(2):  # into new buffers, and into kept ones
        staged = stager.stage({"x": tensor})["x"]
        assert type(staged) is type(tensor)
        assert (staged.dtype, staged.requires_grad) == (tensor.dtype, tensor.requires_grad)
        assert torch.equal(*(_dense(one) for one in (staged, tensor)))
        assert torch.equal(*(_dense(one) for one in (loaded(saved(staged)), tensor)))
        stager.release()


def _dense(tensor: Tensor) -> Tensor:
    dense = tensor.detach().to_dense()
    return dense.float() if dense.dtype is torch.float8_e4m3fn else dense


def test_tied_weights_stay_tied_in_the_file() -> None:
    model = nn.ModuleDict({"in": nn.Linear(30, 30), "out": nn.Linear(30, 30)})
    weight = model["out"].weight = model["in"].weight
    assert isinstance(weight, Tensor)
    staged = Stager().stage({"model": model.state_dict(), "again": weight.data[3:]})
    read = loaded(saved(staged))
    read["model"]["in.weight"].fill_(7)
    assert (read["model"]["out.weight"] == 7).all()
    assert (read["again"] == 7).all()


def test_a_small_part_of_a_large_storage_makes_a_small_file() -> None:
    large = torch.rand(1000, 1000)
    state = {
        "row": large[3],
        "column": large[:, 3],
        "again": large[:, 3],
        "corner": large[9:, 9:].T,
    }
    staged = Stager().stage({name: state[name] for name in ("row", "column", "again")})
    assert len(saved(staged)) < 20_000
    read = loaded(saved(staged))
    read["column"].fill_(7)
    assert (read["again"] == 7).all()
    assert torch.equal(read["row"], large[3])


def test_one_memory_that_is_seen_as_two_types_can_be_saved() -> None:
    floats = torch.rand(4)
    read = loaded(saved(Stager().stage({"floats": floats, "bits": floats.view(torch.int32)})))
    assert torch.equal(read["floats"].view(torch.int32), read["bits"])


def test_containers_keep_their_kind_and_what_is_theirs() -> None:
    shared = [1]
    state: dict[str, Any] = {
        "model": nn.BatchNorm1d(2).state_dict(),
        "ordered": OrderedDict(a=(1, [2])),
        "default": defaultdict(list, a=[torch.ones(2)]),
        "twice": (shared, shared),
        "self": {},
    }
    state["self"]["loop"] = state["self"]
    staged = Stager().stage(state)
    assert [type(one) for one in staged.values()] == [type(one) for one in state.values()]
    assert vars(staged["model"]) == vars(state["model"])
    assert staged["twice"][0] is staged["twice"][1] is not shared
    assert staged["self"]["loop"] is staged["self"]


def addresses(staged: dict[str, Tensor]) -> set[int]:
    return {tensor.data_ptr() for tensor in staged.values()}


def test_buffers_are_kept_over_all_saves_also_when_the_tensors_are_new() -> None:
    stager = Stager()
    first = addresses(stager.stage({"a": torch.rand(500), "b": torch.rand(500)}))
    stager.release()
    assert addresses(stager.stage({"a": torch.rand(500), "c": torch.rand(500)})) == first


def test_buffers_that_nothing_needs_any_more_are_given_back() -> None:
    stager = Stager()
    stager.stage({"a": torch.rand(500), "b": torch.rand(900)})
    stager.release()
    stager.stage({"a": torch.rand(500)})
    stager.release()
    assert sum(buffer.nbytes for kept in stager._free.values() for buffer in kept) == 2000  # noqa: SLF001


def test_a_state_that_is_still_being_read_is_not_overwritten() -> None:
    stager = Stager()
    stager.stage({"a": torch.rand(5)})
    with pytest.raises(BuffersInUseError):
        stager.stage({"a": torch.rand(5)})


def test_prepared_buffers_are_those_that_a_state_needs() -> None:
    weights = torch.rand(10, 10)
    state = {"w": weights, "tied": weights.view(-1), "step": torch.tensor(1)}
    assert sorted(sizes_of(state)) == [8, 400]
    stager = Stager()
    stager.prepare(sizes_of(state))
    ready = {buffer.data_ptr() for kept in stager._free.values() for buffer in kept}  # noqa: SLF001
    assert addresses(stager.stage(state)) == ready
