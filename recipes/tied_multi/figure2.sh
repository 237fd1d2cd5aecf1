#!/usr/bin/env bash
# Figure 2 of Dabre et al.: how often the oracle chooses each depth pair, among separate models and in one tied-multi model.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/tied_multi/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
# shellcheck source=recipes/tied_multi/selection.sh
source "$(dirname "${BASH_SOURCE[0]}")/selection.sh"

prepare_corpus
vanilla=("${pairs[@]/#/vanilla-}")
each system tied-multi "${vanilla[@]}"
for seed in $(seq "${SEEDS:-1}"); do # not with `each`: labels take all GPUs
    labels tied-multi test-labels "$tests" tied-multi
    labels vanilla test-labels "$tests" "${vanilla[@]}"
done
seed=1 # the picture is of the first
run mkdir -p "$work/results"
summary run python -m recipes.tied_multi.figure2 "$(folder vanilla)/test-labels" "$(folder tied-multi)/test-labels" \
    --output "$work/results/figure2"
