"""What a killed training goes on from: whole copies of checkpoints, and a place in an epoch for other ranks."""

import gc
import shutil
import signal
import weakref
from pathlib import Path
from typing import Any, List

import pytest
import torch
from fairseq.data.iterators import EpochBatchIterator
from fairseq.distributed.distributed_timeout_wrapper import DistributedTimeoutWrapper
from fairseq.file_io import PathManager

import fairseq_flexdepth  # noqa: F401  (puts the copying right)
from fairseq_flexdepth.tasks.resuming import portable


class Sentences(torch.utils.data.Dataset):
    """Numbers, of which a batch holds one."""

    def __getitem__(self, index: int) -> int:
        return index

    def __len__(self) -> int:
        return 25

    def set_epoch(self, epoch: int) -> None:
        pass


def rank(number: int, ranks: int, size: int) -> Any:
    batches = [[index] for index in range(size)]
    made = EpochBatchIterator(
        Sentences(), lambda samples: samples, batches, seed=1, num_shards=ranks, shard_id=number
    )
    return portable(made)


@pytest.mark.parametrize("size", [25, 7])
@pytest.mark.parametrize("before", [1, 2, 3])
@pytest.mark.parametrize("after", [1, 2, 4])
def test_other_ranks_train_on_what_is_left_of_the_epoch(size: int, before: int, after: int) -> None:
    for steps in range(1, -(-size // before)):
        seen: List[int] = []
        for number in range(before):
            iterator = rank(number, before, size)
            batches = iterator.next_epoch_itr()
            seen += [index for _ in range(steps) for index in next(batches)]
        assert len(seen) == steps * before
        left: List[int] = []
        for number in range(after):
            resumed = rank(number, after, size)
            resumed.load_state_dict(iterator.state_dict())
            left += [index for batch in resumed.next_epoch_itr() for index in batch]
        assert {*seen, *left} == set(range(size))
        assert len(seen) + len(left) - size == steps * before % after  # these ranks do not begin between two batches


def test_the_end_of_an_epoch_is_the_start_of_the_next() -> None:
    iterator = rank(0, 2, 5)
    list(iterator.next_epoch_itr())
    resumed = rank(0, 1, 5)
    resumed.load_state_dict(iterator.state_dict())
    assert (resumed.next_epoch_idx, len(list(resumed.next_epoch_itr()))) == (2, 5)


def test_checkpoints_from_before_and_fairseqs_own_resume_on_as_many_ranks() -> None:
    stock = {"version": 2, "epoch": 3, "iterations_in_epoch": 2, "shuffle": True}
    resumed = rank(1, 2, 25)
    resumed.load_state_dict(stock)
    assert len(list(resumed.next_epoch_itr())) == 13 - 2


def test_an_epoch_takes_its_workers_with_it() -> None:
    """They must not wait for the collector: an epoch's would be joined by the next one's, and so on."""
    gc.disable()
    try:
        iterator = rank(0, 1, 3)
        assert len(list(iterator.next_epoch_itr())) == 3
        gone = weakref.ref(iterator)
        del iterator
        assert gone() is None
    finally:
        gc.enable()


def test_a_copy_takes_its_place_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, last = tmp_path / "checkpoint_1_8.pt", tmp_path / "checkpoint_last.pt"
    new.write_bytes(b"updates 5 to 8")
    last.write_bytes(b"updates 1 to 4")

    def killed(source: str, destination: str) -> None:
        Path(destination).write_bytes(Path(source).read_bytes()[:4])
        raise KeyboardInterrupt("now")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt, match="now"):
            PathManager.copy(str(new), str(last), overwrite=True)
    assert last.read_bytes() == b"updates 1 to 4"
    assert PathManager.copy(str(new), str(last), overwrite=True)
    assert last.read_bytes() == new.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {new.name, last.name}


def test_a_heartbeat_that_stops_ends_a_process_whatever_it_waits_for() -> None:
    assert DistributedTimeoutWrapper(torch.nn.Identity(), timeout=-1).signal == signal.SIGTERM


def test_what_went_wrong_with_a_copy_is_told(tmp_path: Path) -> None:
    """Not that there is no piece of it to remove."""
    with pytest.raises(FileNotFoundError, match="checkpoint_1_8.pt'$"):
        PathManager.copy(str(tmp_path / "checkpoint_1_8.pt"), str(tmp_path / "checkpoint_last.pt"), overwrite=True)
