#!/usr/bin/env bash
# Table 5 of Wang et al.: mean BLEU over all depths of MT trained at 100, 50 and 25 % of the cost, with fewer tasks per update or
# smaller batches.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/flexible_depth/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

cheaper=(mt-half-decoder mt-half-encoder mt-half-batch)
quarter=(mt-half-encoder-half-decoder mt-half-batch-half-decoder mt-half-batch-half-encoder mt-quarter-batch)
case $SCALE in
    smoke) cheaper=(mt-half-encoder mt-half-batch) ;;
    small | paper) cheaper+=(mt-quarter-decoder "${quarter[@]}") ;;
esac

prepare_corpus
distilled_corpus
each system mt-optimal "${cheaper[@]}"
table table5 mean_bleu='{system}/test/sweep:bleu@*,*'
