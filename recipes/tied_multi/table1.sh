#!/usr/bin/env bash
# Table 1 of Dabre et al.: BLEU of a vanilla model of every depth and of one tied-multi model at every depth, and the time
# that decoding takes. recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/tied_multi/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

prepare_corpus
each system tied-multi "${pairs[@]/#/vanilla-}"
JOBS=1 each timed tied-multi
table table1 \
    vanilla_bleu='vanilla-{n}-{m}/test/sweep:bleu' \
    tied_multi_bleu='tied-multi/test/sweep:bleu@{n},{m} vs vanilla-{n}-{m}/test/sweep:bleu' \
    decode_seconds='tied-multi/timed/sweep:seconds@{n},{m}'
