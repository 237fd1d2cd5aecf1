#!/usr/bin/env bash
# Section 4.1 of Wu et al.: PKD students that also learn from the teacher's self-attention, beside PKD and the best CKD.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/ckd/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

students=(pkd pkd-attention {oc,cc}{,-released})
[ "$SCALE" != smoke ] || students=(pkd pkd-attention oc-released)

among pt_en pt_en tr_en en_de_1
prepare_settings
made "${students[@]}"
baseline='pkd/test/sweep:bleu'
by_setting '{system}/test/sweep:bleu' pt_en tr_en en_de_1
table attention "${columns[@]}"
