"""The parameter counts of layer_sharing's Tables 1, 2, 4 and 5, beside the paper's.

    python -m recipes.layer_sharing.params > recipes/layer_sharing/params.md
"""

from tqdm import tqdm

from fairseq_flexdepth.cli.fairseq_options import build_training_model, quiet
from fairseq_flexdepth.cli.params import count_parameters
from recipes.layer_sharing.systems import systems


def main() -> None:
    lines = ["| table | system | parameters | M | paper, M |", "| --- | --- | --: | --: | --: |"]
    for system in tqdm(systems()):
        with quiet():
            model = build_training_model(system.options, system.vocabulary, system.vocabulary)
        total = count_parameters(model).total
        lines.append(
            f"| {system.table[-1]} | {system.name} | {total:,} | {total / 1e6:.0f} | {system.paper_params:.0f} |"
        )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
