"""The selection task's data: batches, the order of sentences, and what is refused."""

from argparse import Namespace
from pathlib import Path
from typing import Any, List, Optional

import numpy
import pytest
import torch
from fairseq.data.data_utils import numpy_seed

from fairseq_flexdepth.files.depth_labels import DepthLabels, labels_file, load_labels
from fairseq_flexdepth.tasks.depth_selection import DepthSelectionConfig, DepthSelectionTask
from tests.labels import PAIRS, WORDS, labels_of, sentences, write_checkpoint, write_labels
from tests.tiny import dictionary, flexible_model


def task_of(folder: Path, **changes: Any) -> DepthSelectionTask:
    options = {"train_subset": "train", "dataset_impl": None, **changes}
    return DepthSelectionTask.setup_task(DepthSelectionConfig(data=str(folder), **options))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_labels(tmp_path / "labels", {"train": 12, "valid": 7})
    return tmp_path / "labels"


def relabel(folder: Path, split: str, **changes: Any) -> None:
    old = load_labels(str(folder), split, "DATA")
    fields = {"pairs": old.pairs, "scores": old.scores, "seconds": old.seconds, "record": old.record}
    DepthLabels(**{**fields, **changes}).save(labels_file(str(folder), split))


def test_a_batch_holds_sentences_labels_and_scores(folder: Path) -> None:
    task = task_of(folder)
    task.load_dataset("valid")
    dataset = task.dataset("valid")
    assert len(dataset) == 7
    source, labels = sentences(7, seed=sum(map(ord, "valid"))), load_labels(str(folder), "valid", "DATA")
    batch = dataset.collater([dataset[index] for index in (2, 0, 4)])
    lengths = sorted((len(source[row]) for row in (2, 0, 4)), reverse=True)
    assert batch["nsentences"] == 3
    assert batch["net_input"]["src_lengths"].tolist() == lengths
    assert batch["ntokens"] == sum(lengths)
    for position, row in enumerate(batch["id"].tolist()):
        tokens = batch["net_input"]["src_tokens"][position]
        padding = lengths[0] - len(source[row])
        assert tokens.tolist() == [1] * padding + source[row].tolist()
        assert batch["target"][position].tolist() == labels.best[row].astype(float).tolist()
        assert batch["scores"][position].tolist() == labels.scores[row].tolist()
    assert (batch["target"].dtype, batch["scores"].dtype) == (torch.float32, torch.float64)
    assert dataset.collater([]) == {}


def test_labels_are_in_one_format(folder: Path) -> None:
    message = "^--dataset-impl raw: fairseq-flexdepth oracle writes mmap; leave the option out$"
    with pytest.raises(ValueError, match=message):
        task_of(folder, dataset_impl="raw").load_dataset("valid")
    task_of(folder, dataset_impl="mmap").load_dataset("valid")


def test_sentences_come_by_length_but_in_training_at_random(folder: Path) -> None:
    write_labels(folder, {"train": 60, "valid": 60})
    task = task_of(folder)
    orders = {}
    for split in ("train", "valid"):
        task.load_dataset(split)
        for seed in (1, 2):
            with numpy_seed(seed):
                order = task.dataset(split).ordered_indices()
            orders[split, seed] = order.tolist()
            assert sorted(order) == list(range(60))
            assert (numpy.diff(task.dataset(split).sizes[order]) >= 0).all() == (split == "valid")
    assert orders["train", 1] != orders["train", 2]
    assert orders["valid", 1] == orders["valid", 2]


def test_long_sentences_are_filtered_by_their_own_length(folder: Path) -> None:
    task = task_of(folder, max_source_positions=4)
    task.load_dataset("train")
    dataset = task.dataset("train")
    kept, ignored = dataset.filter_indices_by_size(dataset.ordered_indices(), task.max_positions())
    assert (dataset.sizes[kept] <= 4).all()
    assert {dataset.size(index) for index in ignored} == {size for size in dataset.sizes if size > 4}
    assert [dataset.num_tokens(index) for index in kept] == dataset.num_tokens_vec(kept).tolist()


def test_sentences_without_labels_are_left_out(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_labels(folder, {"train": 12}, unlabelled=2)
    task = task_of(folder)
    with caplog.at_level("INFO"):
        task.load_dataset("train")
    assert "2 of 12 sentences have no labels" in caplog.text
    dataset = task.dataset("train")
    assert len(dataset) == 10
    batch = dataset.collater([dataset[index] for index in range(10)])
    assert sorted(batch["id"].tolist()) == list(range(2, 12))
    assert not torch.isnan(batch["scores"]).any()


def test_cached_sentences_are_fetched_by_their_number_in_the_split(folder: Path) -> None:
    write_labels(folder, {"train": 12}, unlabelled=2)
    task = task_of(folder)
    task.load_dataset("train")
    dataset = task.dataset("train")
    fetched: List[int] = []
    assert not dataset.supports_prefetch
    dataset.source = type("Cached", (), {"supports_prefetch": True, "prefetch": staticmethod(fetched.extend)})
    dataset.prefetch([0, 3])
    assert (dataset.supports_prefetch, fetched) == (True, [2, 5])
    dataset.prefetch([])  # of a rank without batches
    assert fetched == [2, 5]


def test_the_source_language_is_inferred_or_named(folder: Path) -> None:
    assert task_of(folder).language == "src"
    assert task_of(folder).source_dictionary == dictionary(WORDS)
    assert task_of(folder).target_dictionary is None
    dictionary(9).save(str(folder / "dict.tgt.txt"))
    assert task_of(folder, source_lang="src").language == "src"
    with pytest.raises(ValueError, match=r"^--source-lang: required unless .* has dict.src.txt, dict.tgt.txt$"):
        task_of(folder)
    with pytest.raises(ValueError, match=r"^--source-lang de: .* has dict.src.txt, dict.tgt.txt$"):
        task_of(folder, source_lang="de")


def test_a_moving_average_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"^--store-ema: not supported, fairseq cannot average the depth pairs"):
        task_of(folder).build_model(Namespace(store_ema=True, init_embeddings_from=None))


def test_another_architecture_or_criterion_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"^--arch transformer: expected --arch depth_selector with --task depth_sel"):
        task_of(folder).build_model(Namespace(arch="transformer"))
    with pytest.raises(ValueError, match=r"^--criterion: expected depth_selection or cost_.* given a CrossEntropyCrit"):
        task_of(folder).build_criterion(Namespace(criterion="cross_entropy", sentence_avg=False))


@pytest.mark.parametrize(("given", "width"), [(None, 12), (12, 12), (16, None)])
def test_the_width_is_that_of_the_initial_embeddings(folder: Path, given: Optional[int], width: Optional[int]) -> None:
    path = write_checkpoint(folder / "a.pt", flexible_model(), "tied_multi_transformer")
    sizes = {"encoder_embed_dim": given, "encoder_ffn_embed_dim": 14, "max_source_positions": 9, "store_ema": False}
    cfg = Namespace(arch="depth_selector", init_embeddings_from=path, **sizes)
    if width is None:
        with pytest.raises(ValueError, match=r"^--encoder-embed-dim 16: the embeddings of --init-emb.* have 12 dim"):
            task_of(folder).build_model(cfg)
        return
    assert task_of(folder).build_model(cfg).output.in_features == width == cfg.encoder_embed_dim
    cfg.init_embeddings_from = "nowhere"
    assert task_of(folder).build_model(cfg, from_checkpoint=True).output.in_features == width


def test_without_initial_embeddings_the_width_is_512(folder: Path) -> None:
    sizes = {"encoder_embed_dim": None, "encoder_ffn_embed_dim": 14, "max_source_positions": 9, "store_ema": False}
    cfg = Namespace(arch="depth_selector", init_embeddings_from=None, **sizes)
    assert task_of(folder).build_model(cfg).output.in_features == 512 == cfg.encoder_embed_dim


def test_a_folder_that_is_none_of_oracle_s_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^DATA .*nowhere: no such directory; expected one made by fairseq-flexdepth"):
        task_of(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"^--source-lang: required unless .* has no dict.LANG.txt$"):
        task_of(tmp_path)


def test_missing_training_labels_name_the_option(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"^--train-subset trian: .*no such file, it has labels of train, valid"):
        _ = task_of(folder, train_subset="trian").labels


def test_missing_labels_or_sentences_are_named(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"^DATA .*: .*test.labels.npz: no such file, it has labels of train, valid"):
        task_of(folder).load_dataset("test")
    (folder / "valid.src.idx").unlink()
    missing = r"^DATA .*: .*valid.src.bin or .idx is missing, the sentences of .*valid.labels.npz"
    with pytest.raises(ValueError, match=missing):
        task_of(folder).load_dataset("valid")


def test_a_split_without_any_labels_is_refused(folder: Path) -> None:
    write_labels(folder, {"valid": 7}, unlabelled=7)
    with pytest.raises(ValueError, match=r"valid.labels.npz: none of its 7 sentences has labels; expected at"):
        task_of(folder).load_dataset("valid")
    write_labels(folder, {"train": 12}, unlabelled=12)
    with pytest.raises(ValueError, match=r"train.labels.npz: none of its 12 sentences has labels"):
        _ = task_of(folder).labels


def test_labels_of_other_sentences_or_pairs_are_refused(folder: Path) -> None:
    relabel(folder, "valid", pairs=PAIRS[::-1])
    other = r"valid.labels.npz: has labels of the depth pairs \[\(2, 2.*expected \[\(1.*of --train-subset train"
    with pytest.raises(ValueError, match=other):
        task_of(folder).load_dataset("valid")
    labels_of(sentences(7, seed=9)).save(labels_file(str(folder), "valid"))
    with pytest.raises(ValueError, match=r"valid.labels.npz: made for source sentences that differ from DATA's"):
        task_of(folder).load_dataset("valid")


def test_a_sentence_longer_than_a_batch_is_named(folder: Path) -> None:
    task = task_of(folder)
    task.load_dataset("valid")
    with pytest.raises(ValueError, match="--max-tokens 3: "):
        task.get_batch_iterator(task.dataset("valid"), max_tokens=3)


def test_labels_by_another_metric_are_refused(folder: Path) -> None:
    for split, metric in (("train", "chrf"), ("valid", "bleu")):
        record = load_labels(str(folder), split, "DATA").record
        relabel(folder, split, record={**record, "metric": metric})
    other = "valid.labels.npz: has scores by bleu; expected chrf, the metric of --train-subset train"
    with pytest.raises(ValueError, match=other):
        task_of(folder).load_dataset("valid")
