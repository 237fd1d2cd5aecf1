#!/usr/bin/env bash
# Table 3 of Wu et al.: BLEU with large training sets; CKD both as Eq. 3 defines it and as the released code has it.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/ckd/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

students=(no-kd pkd {rc,oc}{,-released})
[ "$SCALE" != smoke ] || students=(no-kd pkd rc{,-released})

among en_fr en_fr en_de
prepare_settings
made "${students[@]}"
cells=() data=${settings[*]}
bleu='test/sweep:bleu'
baseline="{_setting}-no-kd/$bleu"
for student in teacher no-kd pkd rc oc; do cells+=("${student/-/_}={_setting}-$student/$bleu vs $baseline"); done
table table3 "${cells[@]}" +rc_as_released="{_setting}-rc-released/$bleu vs $baseline" \
    +oc_as_released="{_setting}-oc-released/$bleu vs $baseline"
