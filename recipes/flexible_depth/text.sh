#!/usr/bin/env bash
# Footnotes of Wang et al.: a model trained at its full depth and decoded at a shallow one (1), and LayerDrop with one batch per
# update and with one batch per task (3).
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/flexible_depth/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

prepare_corpus
distilled_corpus
each system original-baseline-1-1 layerdrop layerdrop-one-batch
force() { evaluate "$1" test forced --model-overrides "{'encoder_depths': 'divisors', 'decoder_depths': 'divisors'}"; }
each force "$pretrained"
table forced bleu='{_cell} vs original-baseline-1-1/test/sweep:bleu'
table layerdrop_batches mean_bleu='{system}/test/sweep:bleu@*,*'
