#!/usr/bin/env bash
# Variants for which Wu et al. give no scores (section 4): distillation of the decoder as well, and other weights of regular KD,
# to be chosen on the development set.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/ckd/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

students=(regular-kd{,-0.3,-0.5,-0.7,-0.9} {pkd,rc,rc-released}{,-decoder})
[ "$SCALE" != smoke ] || students=(regular-kd-0.3 rc-released-decoder)
on_development_set() {
    setting "${1%%-*}"
    evaluate "$1" valid valid
}

among pt_en pt_en
prepare_settings
made "${students[@]}"
data=${settings[0]} table_values=(setting="${settings[0]}")
each on_development_set "${students[@]/#/$data-}"
columns=()
for split in valid test; do
    cell="{setting}-{system}/$split/sweep:bleu vs {setting}-{_baseline}/$split/sweep:bleu"
    case $split in valid) columns+=("+bleu_development=$cell") ;; *) columns+=("+bleu_test=$cell") ;; esac
done
table ablations "${columns[@]}"
