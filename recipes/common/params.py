"""The parameter counts of the systems in a paper's tables, beside the paper's.

    python -m recipes.common.params layer_sharing > recipes/layer_sharing/params.md

The papers: each folder of recipes/ with a systems.tsv. Of a pruned system only what is left counts.
"""

import argparse

from tqdm import tqdm

from fairseq_flexdepth.cli.fairseq_options import build_training_model, quiet
from fairseq_flexdepth.cli.params import count_parameters
from fairseq_flexdepth.modules.magnitude_pruning import prunable_weights, pruned_number
from recipes.common.systems import RECIPES, System, systems


def parameters(system: System) -> int:
    """The parameters of a system's model, without those that ``fairseq-flexdepth prune`` would zero."""
    with quiet():
        model = build_training_model(system.options, system.vocabulary, system.vocabulary)
    return count_parameters(model).total - pruned_number(prunable_weights(model.state_dict()), system.pruned)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paper", choices=sorted(file.parent.name for file in RECIPES.glob("*/systems.tsv")))
    print("| table | system | parameters | M | paper, M |\n| --- | --- | --: | --: | --: |")
    for system in tqdm(systems(parser.parse_args().paper)):
        total = parameters(system)
        print(f"| {system.table[-1]} | {system.name} | {total:,} | {total / 1e6:.0f} | {system.paper_params:.0f} |")


if __name__ == "__main__":
    main()
