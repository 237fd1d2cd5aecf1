#!/usr/bin/env bash
# Measurements in the text of Dabre et al.: training times (section 3.3), greedy search against beam search (5.2), and decoding
# one sentence at a time (4.3). recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/tied_multi/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
# shellcheck source=recipes/tied_multi/selection.sh
source "$(dirname "${BASH_SOURCE[0]}")/selection.sh"
table_values=(N="$N" M="$M" deep="$deep")

prepare_corpus
distilled_corpus
vanilla=("${pairs[@]/#/vanilla-}")
each system "${vanilla[@]}" {,distilled-}tied-multi{,-rs}
table_note=$training_time_note table training_time relative_training_time='{_minutes} / vanilla-{N}-{M}/train:minutes'

searched() { # searched NAME: decode greedily and with a beam
    evaluate "$1" "$tests" greedy --beam 1
    timed "$1"
}
JOBS=1 each searched {,distilled-}tied-multi{,-rs} # nothing else may run during timing
beam='{system}/timed/sweep:bleu' greedy='{system}/greedy/sweep:bleu'
table greedy bleu='{system}/{_search}/sweep:bleu@{_depth} vs {system}/timed/sweep:bleu@{_depth}' \
    decode_seconds='{system}/{_search}/sweep:seconds@{_depth}' \
    speed_up='{_slower} / {system}/{_search}/sweep:seconds@{_depth}'
table_note="beam minus greedy is the mean over all depth pairs, deepest that of the deepest pair. The paper gives one number for \
the models without distillation and one for those with it." table greedy_loss beam_minus_greedy="$beam@*,* - $greedy@*,*" \
    +deepest="$beam@{N},{M} - $greedy@{N},{M}"

label_options=(--batch-size 1)
for seed in $(seq "${SEEDS:-1}"); do # on one GPU, and not with `each`: nothing else may run during timing
    GPUS=1 labels tied-multi one-by-one "$tests" tied-multi
    GPUS=1 labels vanilla one-by-one "$tests" "${vanilla[@]}"
done
table batch1 decode_seconds='{_cell}'
