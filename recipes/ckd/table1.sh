#!/usr/bin/env bash
# Table 1 of Wu et al.: BLEU of the teacher, of the student by itself, and of students taught in every way; CKD both as Eq. 3
# defines it and as the released code has it.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/ckd/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

students=(no-kd regular-kd pkd {rc,oc,sc,cc}{,-released})
[ "$SCALE" != smoke ] || students=(no-kd regular-kd pkd rc{,-released})

among en_de_2 pt_en tr_en en_de_1 en_de_2
prepare_settings
made "${students[@]}"
baseline='no-kd/test/sweep:bleu'
by_setting '{system}/test/sweep:bleu' pt_en tr_en en_de_1 en_de_2
table table1 "${columns[@]}"
