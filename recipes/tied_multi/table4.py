"""tied_multi's Table 4: the parameters of 36 separately trained models, of one tied-multi model, and of both with
recurrent stacking; Adam's two moments are counted with each parameter, as the paper does.

    python -m recipes.tied_multi.table4 [--vocab-size 33050] > recipes/tied_multi/table4.md

36 models need 36 vocabularies, so that the sums tell the paper's: about 33,050 entries.
"""

import argparse

from tqdm import tqdm

from fairseq_flexdepth.cli.fairseq_options import build_training_model, quiet
from fairseq_flexdepth.cli.params import count_parameters

PAPER = {"36 vanilla models": 4608, "tied-multi": 183, "36 RS models": 2623, "tied-multi RS": 73}  # millions


def with_moments(arch: str, encoder_layers: int, decoder_layers: int, vocabulary: int) -> int:
    """The parameters of a model of the base size with shared embeddings, and their Adam moments."""
    layers = f"--encoder-layers {encoder_layers} --decoder-layers {decoder_layers}"
    options = f"--arch {arch} --share-all-embeddings {layers}"
    with quiet():
        return 3 * count_parameters(build_training_model(options.split(), vocabulary, vocabulary)).total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab-size", type=int, default=33050, help="entries of the shared vocabulary")
    vocabulary = parser.parse_args().vocab_size
    shapes = [(n, m) for n in range(1, 7) for m in range(1, 7)]
    counted = {}
    for suffix, arch in (("", "tied_multi_transformer"), (" RS", "recurrent_stacked_transformer")):
        counts = {(n, m): with_moments(arch, n, m, vocabulary) for n, m in tqdm(shapes, desc=arch)}
        counted[f"36{suffix or ' vanilla'} models"] = sum(counts.values())
        counted[f"tied-multi{suffix}"] = counts[6, 6]
    print("| models | with Adam's moments, M | relative size | paper, M |\n| --- | --: | --: | --: |")
    for name, number in counted.items():
        relative = number / counted["tied-multi"]
        print(f"| {name} | {number / 1e6:,.0f} | {relative:.2f} | {PAPER[name]:,} |")
    print(f"\nBase size (512/2048), one shared vocabulary of {vocabulary:,} entries.")


if __name__ == "__main__":
    main()
