"""A Hugging Face folder of every kind of model: ``transformers`` translates 50 sentences as fairseq does."""

from pathlib import Path
from typing import Any, Dict, List

import pytest
import torch
from fairseq.data import data_utils

from fairseq_flexdepth.export.huggingface.configuration import Search
from fairseq_flexdepth.export.huggingface.families import unsupported
from fairseq_flexdepth.export.huggingface.folder import Contents, write_folder
from fairseq_flexdepth.export.huggingface.model_card import CardFacts
from fairseq_flexdepth.export.huggingface.subwords import Subwords
from fairseq_flexdepth.export.loaded_model import LoadedModel
from fairseq_flexdepth.export.stock_checkpoint import stock_model
from tests import tiny
from tests.exportable import loaded

transformers = pytest.importorskip("transformers", reason="the extra huggingface is not installed")

PRE_LN = tiny.NORMS["Pre-LN"]
TIED = {"joined": True, "share_all_embeddings": True}
LEARNED = {"encoder_learned_pos": True, "decoder_learned_pos": True}
SHARED = {"encoder_layers": 4, "unique_encoder_layers": 2, "unique_decoder_layers": 1, "layer_sharing": "cycle_rev"}
MODELS: Dict[str, Dict[str, Any]] = {
    "MarianMTModel, tied": {**TIED, "activation_fn": "gelu"},
    "MarianMTModel, two dictionaries": {
        "no_scale_embedding": True, "decoder_attention_heads": 3, "max_source_positions": 40,
    },
    "MarianMTModel, output tied, learned positions": {**LEARNED, "share_decoder_input_output_embed": True},
    "MarianMTModel, Admin": {**TIED, "residual_init": "admin"},
    "MarianMTModel, shared": {**SHARED, "activation_fn": "gelu_accurate"},
    "BartForConditionalGeneration, Admin": {**TIED, "layernorm_embedding": True, "residual_init": "admin"},
    "M2M100ForConditionalGeneration, shared": {**TIED, **PRE_LN, **SHARED},
    "BlenderbotForConditionalGeneration": {**TIED, **PRE_LN, "encoder_learned_pos": True, "activation_fn": "tanh"},
    "MBartForConditionalGeneration": {**TIED, **PRE_LN, **LEARNED, "layernorm_embedding": True},
}  # fmt: skip
LONGEST = 8  # of a translation


def sentences(words: int) -> List[List[int]]:
    """50 source sentences of 1 to 9 tokens and the end symbol."""
    generator = torch.Generator().manual_seed(5)
    lengths = torch.randint(1, 10, (50,), generator=generator).tolist()
    return [[*torch.randint(4, words, (length,), generator=generator).tolist(), 2] for length in lengths]


def write(original: LoadedModel, folder: Path, n: int, m: int) -> None:
    stock = stock_model(original, n, m)
    assert stock.unsupported + unsupported(stock.options) == []
    facts = CardFacts("the command", "corpus", 1234, None)
    write_folder(original, stock, str(folder), Contents(Subwords(), Search(3, 0.6, LONGEST), facts))


def fairseq_greedy(original: LoadedModel, sources: List[List[int]]) -> List[List[int]]:
    tokens = [torch.tensor(source) for source in sources]
    batch = {
        "src_tokens": data_utils.collate_tokens(tokens, 1, left_pad=True),
        "src_lengths": torch.tensor([len(source) for source in sources]),
    }
    return [beams[0]["tokens"].tolist() for beams in tiny.generate([original.model], {"net_input": batch}, 1)]


def greedy(model: Any, sources: List[List[int]], **options: Any) -> List[List[int]]:
    """Greedy translations by ``transformers``, with the end symbol, without the start symbol and padding."""
    tokens = data_utils.collate_tokens([torch.tensor(source) for source in sources], 1)
    found = model.generate(tokens, attention_mask=tokens.ne(1).long(), num_beams=1, **options)
    return [[token for token in row[1:] if token != 1] for row in found.tolist()]


def lively(**options: Any) -> LoadedModel:
    """A random model whose layers change tokens so much that it does not only repeat them."""
    original = loaded(**options)
    with torch.no_grad():
        for name, parameter in original.model.named_parameters():
            if ".layers." in name and parameter.dim() > 1:
                parameter.mul_(4)
    return original


@pytest.mark.parametrize("name", MODELS)
def test_logits_and_greedy_translations_are_fairseqs(name: str, tmp_path: Path) -> None:
    original = lively(**MODELS[name])
    write(original, tmp_path / "hf", 2, 1)
    original.model.set_depth(2, 1)
    model, report = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "hf", output_loading_info=True)
    assert type(model).__name__ == name.split(",")[0]
    assert not any(report.values())
    sources = sentences(len(original.task.source_dictionary))
    expected = fairseq_greedy(original, sources)
    assert greedy(model, sources) == expected
    assert len({tuple(tokens) for tokens in expected}) > 5
    assert_same_logits(original, model)
    tables = (model.get_encoder().embed_tokens, model.get_decoder().embed_tokens, model.lm_head)
    tied = stock_model(original, 2, 1).options["share_all_embeddings"]
    assert (len({table.weight.data_ptr() for table in tables}) == 1) == tied


def assert_same_logits(original: LoadedModel, model: Any) -> None:
    """The logits of the dictionary's words, for a padded source; all other words are impossible."""
    words = len(original.task.target_dictionary)
    batch = tiny.sample([7, 3], [5, 6], target_size=words)["net_input"]
    tokens = torch.stack([row.roll(-int(row.eq(1).sum())) for row in batch["src_tokens"]])  # padding to the right
    with torch.no_grad():
        expected = original.model(**batch)[0]
        found = model(tokens, tokens.ne(1).long(), decoder_input_ids=batch["prev_output_tokens"]).logits
    kept = batch["prev_output_tokens"].ne(1)
    assert torch.allclose(found[kept][:, :words], expected[kept], atol=2e-5 * float(expected.abs().max()))
    assert found[..., words:].lt(-1e3).all()
