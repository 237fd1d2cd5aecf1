#!/usr/bin/env bash
# Table 3 of Wang et al.: task balance (TB) and average layer distance (ALD) of five strategies of choosing sub-networks, and
# the mean BLEU over all depth pairs of the MT model with each strategy.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/flexible_depth/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

strategies=(head seq left middle_left optimal)
[ "$SCALE" != smoke ] || strategies=(head optimal)

measures() { # measures MT-STRATEGY: compute TB and ALD of its encoder
    step "$(folder "$1")/depths" run_to "$(folder "$1")/depths.json" \
        fairseq-flexdepth depths --layers "$encoder_layers" --strategy "${1#mt-}" --json
}

prepare_corpus
distilled_corpus
each system "${strategies[@]/#/mt-}"
each measures "${strategies[@]/#/mt-}"
table table3 \
    task_balance='{system}/depths:task_balance' \
    average_layer_distance='{system}/depths:average_layer_distance' \
    mean_bleu='{system}/test/sweep:bleu@*,*'
