#!/usr/bin/env bash
# Figure 1 of Wang et al.: BLEU of LayerDrop models, trained with different probabilities of dropping a layer, by the share of
# encoder and of decoder layers that is pruned.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/flexible_depth/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

prepare_corpus
each system "${dropped[@]/#/original-layerdrop-p}"
run mkdir -p "$work/results"
summary run python -m recipes.flexible_depth.figure1 "$work" "${dropped[@]}" --layers "$encoder_layers" "$decoder_layers" \
    --system 'original-layerdrop-p{p}' --output "$work/results/figure1"
