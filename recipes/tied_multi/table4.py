"""Count the parameters in Table 4 of [dabre2020]: N × M separate models and one tied-multi model.

    python -m recipes.tied_multi.table4 --layers N M --vocab-size V

It prints JSON: the counts without and with recurrent stacking, in millions and relative to the tied-multi model. Each
parameter counts three times, with Adam's two moments, as in the paper.
"""

import argparse
import json

from tqdm import tqdm

from fairseq_flexdepth.cli.fairseq_options import quiet
from fairseq_flexdepth.cli.params import count_parameters
from fairseq_flexdepth.cli.training_model import build_training_model


def with_moments(arch: str, encoder_layers: int, decoder_layers: int, vocabulary: int) -> int:
    """Return the number of parameters and Adam moments of a base-size model with shared embeddings."""
    layers = f"--encoder-layers {encoder_layers} --decoder-layers {decoder_layers}"
    options = f"--arch {arch} --share-all-embeddings --encoder-normalize-before --decoder-normalize-before {layers}"
    with quiet():
        return 3 * count_parameters(build_training_model(options.split(), vocabulary, vocabulary)).total


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--layers", type=int, nargs=2, required=True, metavar=("N", "M"), help="layers of the deepest model"
    )
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
