#!/usr/bin/env bash
# Admin: an 18-layer Post-LN Transformer with and without it, on the quickstart's corpus.
#
#   recipes/layer_sharing/admin.sh [WORK_DIR]
#
# Trains both with the same seed and options and writes table and picture (curves.md, curves.png) to WORK_DIR (default:
# work/admin, beside this script). A run that was interrupted goes on where it stopped. In the environment: UPDATES;
# LAYERS; DEVICE (--cpu, or empty for a GPU).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${1:-$here/work/admin} updates=${UPDATES:-600} layers=${LAYERS:-18} device=${DEVICE---cpu}
mkdir -p "$work"
work=$(cd "$work" && pwd)

if [ ! -e "$work/text/.done" ]; then
    echo "== making a corpus of 20,000 sentence pairs"
    python "$root/examples/quickstart/corpus/generate.py" --output "$work/text" --pairs 20000 --valid 500 --test 500 \
        --seed 1
    touch "$work/text/.done"
fi
bash "$root/examples/common/prepare.sh" "$work/text" "$work" 1000

for init in none admin; do
    if [ ! -e "$work/$init/.done" ]; then
        echo "== training $layers+$layers Post-LN layers, --residual-init $init: $updates updates (log: $work/$init.log)"
        # shellcheck disable=SC2086  # $device may be empty
        PYTHONWARNINGS=ignore fairseq-train "$work/bin" --user-dir "$root/fairseq_flexdepth" \
            --save-dir "$work/$init" $device --seed 1 --residual-init "$init" \
            --arch tied_multi_transformer_tiny --encoder-layers "$layers" --decoder-layers "$layers" \
            --encoder-embed-dim 128 --encoder-ffn-embed-dim 256 --encoder-attention-heads 4 \
            --decoder-embed-dim 128 --decoder-ffn-embed-dim 256 --decoder-attention-heads 4 \
            --share-all-embeddings --dropout 0.1 --criterion label_smoothed_cross_entropy --label-smoothing 0.1 \
            --optimizer adam --adam-betas '(0.9, 0.98)' --lr 2e-3 --lr-scheduler inverse_sqrt --warmup-updates 200 \
            --max-update "$updates" --max-tokens 1024 --validate-interval-updates 100 --save-interval-updates 100 \
            --keep-interval-updates 1 --no-epoch-checkpoints --log-interval 10 --log-format json \
            >>"$work/$init.log" 2>&1 || { tail "$work/$init.log"; exit 1; }
        touch "$work/$init/.done"
    fi
done

cd "$root"
python -m recipes.common.curves --output "$work/curves.png" \
    "without Admin=$work/none.log" "with Admin=$work/admin.log" | tee "$work/curves.md"
