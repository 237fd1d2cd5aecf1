#!/usr/bin/env bash
# Figure 3 of Takase & Kiyono: the validation loss (newstest2013's) of Vanilla, Universal and the three strategies while they
# train: figure3.png, and figure3.md with the numbers. The models are Table 1's. recipes/README.md explains SCALE, WORK, DATA,
# SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/layer_sharing/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

names=(Vanilla Universal SEQUENCE CYCLE "CYCLE (REV)")
systems=(vanilla universal {sequence,cycle,cycle_rev}-2)
[ "$SCALE" != smoke ] || { names=(Universal "CYCLE (REV)"); systems=(universal cycle_rev-2); }

translation_corpus wmt16_en_de
prepare_corpus
SEEDS=1 each system "${systems[@]}"
curves=()
for number in "${!systems[@]}"; do curves+=("${names[number]}=$(folder "${systems[number]}")/train.log"); done
run mkdir -p "$work/results"
summary run_to "$work/results/figure3.md" python -m recipes.common.curves --output "$work/results/figure3.png" "${curves[@]}"
summary run cat "$work/results/figure3.md"
