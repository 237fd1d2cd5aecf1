#!/usr/bin/env bash
# Table 4 of Wang et al.: mean BLEU over the encoder depths with the whole decoder, and over the decoder depths with the whole
# encoder, where MT is trained for the depths of one side only, or of both.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/flexible_depth/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

prepare_corpus
distilled_corpus
each system mt-encoder mt-decoder mt-optimal "${pairs[@]/#/baseline-}"
table table4 bleu_whole_decoder='{_whole_decoder}' bleu_whole_encoder='{_whole_encoder}'
