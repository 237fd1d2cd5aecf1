#!/usr/bin/env bash
# Table 3 of Dabre et al.: BLEU at every depth of tied-multi models with and without recurrent stacking (RS), trained on the
# corpus and on a distilled one. recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/tied_multi/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

prepare_corpus
distilled_corpus
each system tied-multi tied-multi-rs distilled-tied-multi distilled-tied-multi-rs
bleu='test/sweep:bleu@{n},{m}'
table table3 \
    tied_bleu="tied-multi/$bleu" \
    tied_rs_bleu="tied-multi-rs/$bleu vs tied-multi/$bleu" \
    distilled_tied_bleu="distilled-tied-multi/$bleu vs tied-multi/$bleu" \
    distilled_tied_rs_bleu="distilled-tied-multi-rs/$bleu vs tied-multi-rs/$bleu"
