#!/usr/bin/env bash
# Admin (section 5 of Takase & Kiyono): a Post-LN Transformer of 18 layers per side with and without it, on the quickstart's
# corpus: admin.png, and admin.md with the numbers. recipes/README.md explains SCALE, WORK, JOBS, GPUS and DRY_RUN; the
# corpus is the same at every scale but smoke.
# shellcheck source=recipes/layer_sharing/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

case $SCALE in
    smoke) pairs=200 held_out=20 vocabulary=200 layers=3 updates=12 interval=4 ;;
    *) pairs=20000 held_out=500 vocabulary=1000 layers=18 updates=${UPDATES:-600} interval=100 base=(128 256 4) ;;
esac
data=quickstart source_language=de target_language=en subwords=sentencepiece
batch=1024 max_tokens=1024 average=1 log_interval=10
embeddings=(--share-all-embeddings)
training=(--criterion label_smoothed_cross_entropy --label-smoothing 0.1 --dropout 0.1 --optimizer adam
    --adam-betas '(0.9, 0.98)' --lr 2e-3 --lr-scheduler inverse_sqrt --warmup-updates 200 --max-update "$updates"
    --save-interval-updates "$interval" --keep-interval-updates 1 --no-epoch-checkpoints)

with() { # with none|admin
    transformer "admin-$1" tied_multi "$layers" "${base[@]}" --residual-init "$1"
}

corpus=$work/quickstart
text=$corpus/text bin=$corpus/bin
step "$text/made" run python "$repository/examples/quickstart/corpus/generate.py" --output "$text" --pairs "$pairs" \
    --valid "$held_out" --test "$held_out" --seed 1
prepare_text
SEEDS=1 each with none admin
run mkdir -p "$work/results"
summary run_to "$work/results/admin.md" python -m recipes.common.curves --output "$work/results/admin.png" \
    "without Admin=$(folder admin-none)/train.log" "with Admin=$(folder admin-admin)/train.log"
summary run cat "$work/results/admin.md"
