"""The parameters of N x M separately trained models, of one tied-multi model, and of both with recurrent stacking.

    python -m recipes.tied_multi.table4 --layers N M --vocab-size V

prints them as JSON, in millions and relative to the tied-multi model. Adam's two moments are counted with each
parameter, as in the paper's Table 4.
"""

import argparse
import json

from tqdm import tqdm

from fairseq_flexdepth.cli.fairseq_options import quiet
from fairseq_flexdepth.cli.params import count_parameters
from fairseq_flexdepth.cli.training_model import build_training_model


def with_moments(arch: str, encoder_layers: int, decoder_layers: int, vocabulary: int) -> int:
    """The parameters of a model of the base size with shared embeddings, and their Adam moments."""
    layers = f"--encoder-layers {encoder_layers} --decoder-layers {decoder_layers}"
    options = f"--arch {arch} --share-all-embeddings {layers}"
    with quiet():
        return 3 * count_parameters(build_training_model(options.split(), vocabulary, vocabulary)).total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, nargs=2, required=True, metavar=("N", "M"), help="of the deepest model")
    parser.add_argument("--vocab-size", type=int, required=True, help="entries of the shared vocabulary")
    args = parser.parse_args()
    shapes = [(n, m) for n in range(1, args.layers[0] + 1) for m in range(1, args.layers[1] + 1)]
    counted = {}
    for several, one, arch in (
        ("vanilla_models", "tied_multi", "tied_multi_transformer"),
        ("rs_models", "tied_multi_rs", "recurrent_stacked_transformer"),
    ):
        counts = {(n, m): with_moments(arch, n, m, args.vocab_size) for n, m in tqdm(shapes, desc=arch)}
        counted[several] = sum(counts.values())
        counted[one] = counts[shapes[-1]]
    result = {
        name: {"millions": number / 1e6, "relative": number / counted["tied_multi"]} for name, number in counted.items()
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
