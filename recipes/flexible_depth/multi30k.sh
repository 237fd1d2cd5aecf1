#!/usr/bin/env bash
# Flexible depth on Multi30k German-English, 6 encoder and 3 decoder layers, 8 depths: Baseline (a model a depth),
# LayerDrop, and multi-task training (MT) with the Head and the Optimal sub-networks; all with the same updates.
#
#   recipes/flexible_depth/multi30k.sh DATA_DIR [WORK_DIR]
#
# DATA_DIR holds Multi30k's raw task 1 files (train.de, train.en, val.*, test_2016_flickr.*), plain or gzipped.
# Everything is written to WORK_DIR (default: work/multi30k, beside this script). A run that was interrupted goes on
# where it stopped. In the environment: PRETRAIN and FINETUNE, the updates of MT's two phases, of which the others get
# the sum; LAYERDROP_BATCHES, how many batches LayerDrop takes an update (in the paper as many as there are tasks); JOBS,
# how many trainings run at a time; DEVICE (--cpu, or empty for a GPU).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] || { sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
data=$1 work=${2:-$here/work/multi30k} device=${DEVICE---cpu}
mkdir -p "$work"
work=$(cd "$work" && pwd)
pretrain=${PRETRAIN:-1000} finetune=${FINETUNE:-1000}
plugin=$here/../../fairseq_flexdepth

train() { # train NAME UPDATES LR OPTIONS...: what all systems have in common
    local name=$1 updates=$2 lr=$3
    shift 3
    if [ -e "$work/$name/.done" ]; then echo "$name: already trained"; return; fi
    echo "$name: training, $updates updates (log: $work/$name/train.log)"
    mkdir -p "$work/$name"
    # shellcheck disable=SC2086  # $device may be empty
    fairseq-train "$work/bin" --user-dir "$plugin" --save-dir "$work/$name" $device --seed 1 \
        --encoder-normalize-before --decoder-normalize-before --share-all-embeddings --dropout 0.1 \
        --encoder-embed-dim 128 --encoder-ffn-embed-dim 256 --encoder-attention-heads 4 \
        --decoder-embed-dim 128 --decoder-ffn-embed-dim 256 --decoder-attention-heads 4 \
        --optimizer adam --adam-betas '(0.9, 0.98)' --lr "$lr" --lr-scheduler polynomial_decay --warmup-updates 200 \
        --total-num-update "$updates" --max-update "$updates" --max-tokens 1024 --label-smoothing 0.1 \
        --no-epoch-checkpoints --log-format simple --log-interval 50 "$@" \
        >>"$work/$name/train.log" 2>&1 || { tail "$work/$name/train.log"; exit 1; }
    touch "$work/$name/.done"
}

decode() { # decode NAME: the test set, at every depth that the model has
    local name=$1
    [ ! -e "$work/$name/sweep/sweep.json" ] || return 0
    echo "$name: decoding the test set"
    # shellcheck disable=SC2086
    fairseq-flexdepth sweep "$work/bin" --path "$work/$name/checkpoint_last.pt" --output "$work/$name/sweep" $device \
        --beam 4 --lenpen 0.6 --remove-bpe sentencepiece --max-tokens 4000 >"$work/$name/sweep.log" 2>&1 ||
        { tail "$work/$name/sweep.log"; exit 1; }
}

system() { # system NAME: what each system has of its own
    local whole=$((pretrain + finetune)) full=(--encoder-layers 6 --decoder-layers 3)
    local divisors=(--encoder-depths divisors --decoder-depths divisors)
    local start=(--finetune-from-model "$work/pretrained/checkpoint_last.pt")
    local plain=(--criterion label_smoothed_cross_entropy) multi=(--criterion multi_task_depth_cross_entropy)
    local ours=(--arch tied_multi_transformer_tiny "${full[@]}" "${divisors[@]}")
    case $1 in
        pretrained) train "$1" "$pretrain" 2e-3 --arch transformer_tiny "${full[@]}" "${plain[@]}"; return ;;
        layerdrop)
            train "$1" "$whole" 2e-3 "${ours[@]}" "${plain[@]}" --subnetworks left \
                --encoder-layerdrop 0.2 --decoder-layerdrop 0.2 --update-freq "${LAYERDROP_BATCHES:-1}" ;;
        mt-*) train "$1" "$finetune" 1e-3 "${ours[@]}" "${multi[@]}" --subnetworks "${1#mt-}" "${start[@]}" ;;
        baseline-*-*)
            local depth=${1#baseline-}
            train "$1" "$whole" 2e-3 --arch transformer_tiny --encoder-layers "${depth%-*}" \
                --decoder-layers "${depth#*-}" "${plain[@]}" ;;
        *) echo "$1: no such system" >&2; exit 2 ;;
    esac
    decode "$1"
}

if [ -n "${SYSTEM:-}" ]; then system "$SYSTEM"; exit; fi

bash "$here/../../examples/common/multi30k.sh" "$data" "$work/text"
bash "$here/../../examples/common/prepare.sh" "$work/text" "$work" 4000

SYSTEM=pretrained bash "$0" "$data" "$work"
printf '%s\n' mt-optimal mt-head layerdrop baseline-{6,3,2,1}-{3,1} |
    xargs -P "${JOBS:-1}" -I '{}' env SYSTEM='{}' bash "$0" "$data" "$work"
(cd "$here/../.." && python -m recipes.flexible_depth.multi30k "$work")
