#!/usr/bin/env bash
# Multi30k German-English: one tied-multi 3x3 model against three vanilla Transformers of one depth each.
#
#   examples/multi30k/run.sh DATA_DIR [WORK_DIR]
#
# DATA_DIR contains Multi30k's raw task 1 files (train.de, train.en, val.*, test_2016_flickr.*), plain or gzipped.
# All output goes to WORK_DIR (default: work, beside this script). An interrupted run resumes. Environment: UPDATES;
# DEVICE (--cpu, or empty for a GPU); MODELS, to train only some.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
data=$1 work=${2:-$here/work} updates=${UPDATES:-3000}
read -ra device <<<"${DEVICE---cpu}"
models=${MODELS:-tied-multi vanilla-3-3 vanilla-2-2 vanilla-1-1}
plugin=$here/../../fairseq_flexdepth

bash "$here/../common/multi30k.sh" "$data" "$work/text"
bash "$here/../common/prepare.sh" "$work/text" "$work" 4000

train() { # train NAME LAYERS OPTIONS...: train a model of LAYERS encoder and LAYERS decoder layers
    local name=$1 layers=$2
    shift 2
    if [ -e "$work/$name/.done" ]; then echo "$name: already trained"; return; fi
    echo "$name: training, $updates updates (log: $work/$name/train.log)"
    mkdir -p "$work/$name"
    fairseq-train "$work/bin" --user-dir "$plugin" --save-dir "$work/$name" ${device[@]+"${device[@]}"} --seed 1 \
        --encoder-layers "$layers" --decoder-layers "$layers" --share-all-embeddings --dropout 0.1 \
        --encoder-embed-dim 128 --encoder-ffn-embed-dim 256 --encoder-attention-heads 4 \
        --decoder-embed-dim 128 --decoder-ffn-embed-dim 256 --decoder-attention-heads 4 \
        --optimizer adam --adam-betas '(0.9, 0.98)' --lr 2e-3 --lr-scheduler polynomial_decay \
        --warmup-updates 400 --total-num-update "$updates" --max-update "$updates" \
        --max-tokens 2048 --max-tokens-valid 2048 --label-smoothing 0.1 \
        --no-epoch-checkpoints --log-format simple --log-interval 100 "$@" \
        >>"$work/$name/train.log" 2>&1 || { tail "$work/$name/train.log"; exit 1; }
    touch "$work/$name/.done"
}

for model in $models; do
    case $model in
        tied-multi) time train tied-multi 3 --arch tied_multi_transformer_tiny --criterion tied_multi_cross_entropy ;;
        *) time train "$model" "${model##*-}" --arch transformer_tiny --criterion label_smoothed_cross_entropy ;;
    esac
done

for model in $models; do
    [ -e "$work/sweep-$model/sweep.json" ] && continue
    echo "$model: decoding the test set"
    fairseq-flexdepth sweep "$work/bin" --path "$work/$model/checkpoint_last.pt" --output "$work/sweep-$model" \
        ${device[@]+"${device[@]}"} --beam 4 --lenpen 0.6 --remove-bpe sentencepiece --max-tokens 4000 >"$work/sweep-$model.log" 2>&1 ||
        { tail "$work/sweep-$model.log"; exit 1; }
done
[ -n "${MODELS:-}" ] || python "$here/table.py" "$work"
