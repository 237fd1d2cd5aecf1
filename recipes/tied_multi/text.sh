#!/usr/bin/env bash
# Measurements in the text of Dabre et al.: training times (section 3.3), greedy search against beam search (5.2), and decoding
# one sentence at a time (4.3). recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/tied_multi/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
# shellcheck source=recipes/tied_multi/selection.sh
source "$(dirname "${BASH_SOURCE[0]}")/selection.sh"
table_values=(N="$N" M="$M" deep="$deep")

prepare_corpus
vanilla=("${pairs[@]/#/vanilla-}")
each system tied-multi "${vanilla[@]}"
table training_time relative_training_time='{_minutes} / vanilla-{N}-{M}/train:minutes'

distilled_corpus
each system distilled-tied-multi-rs
for one in tied-multi distilled-tied-multi-rs; do
    evaluate "$one" "$tests" greedy --beam 1
    evaluate "$one" "$tests" beam
done
table greedy bleu='{system}/{search}/sweep:bleu@{_depth} vs {system}/beam/sweep:bleu@{_depth}' \
    decode_seconds='{system}/{search}/sweep:seconds@{_depth}'

label_options=(--batch-size 1)
# on one GPU: nothing else may run during timing
GPUS=1 labels tied-multi one-by-one "$tests" tied-multi
GPUS=1 labels vanilla one-by-one "$tests" "${vanilla[@]}"
table batch1 decode_seconds='{_cell}'
