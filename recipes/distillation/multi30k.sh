#!/usr/bin/env bash
# Distillation on Multi30k German-English: a 6-6 teacher, and 2-2 students taught in every way, with the same updates;
# then a student pruned further and further, with and without retraining.
#
#   recipes/distillation/multi30k.sh DATA_DIR [WORK_DIR]
#
# DATA_DIR holds Multi30k's raw task 1 files (train.de, train.en, val.*, test_2016_flickr.*), plain or gzipped.
# Everything is written to WORK_DIR (default: work/multi30k, beside this script). A run that was interrupted goes on where
# it stopped. In the environment: UPDATES, of every student; TEACHER_UPDATES; FINETUNE, how many of a Seq-Inter student's
# updates are on Seq-Inter data; RETRAIN, after pruning; BEAM and INTER_BEAM, of the teacher for Seq-KD and Seq-Inter;
# JOBS, how many trainings run at a time; DEVICE (--cpu, or empty for a GPU).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] || { sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
data=$1 work=${2:-$here/work/multi30k} device=${DEVICE---cpu}
mkdir -p "$work"
work=$(cd "$work" && pwd)
updates=${UPDATES:-2000} finetune=${FINETUNE:-500} retrain=${RETRAIN:-300}
teacher=$work/teacher/checkpoint_last.pt plugin=$here/../../fairseq_flexdepth

train() { # train DATA NAME UPDATES LR WARMUP OPTIONS...: what all systems have in common
    local bin=$1 name=$2 updates=$3 lr=$4 warmup=$5
    shift 5
    if [ -e "$work/$name/.done" ]; then echo "$name: already trained"; return; fi
    echo "$name: training, $updates updates (log: $work/$name/train.log)"
    mkdir -p "$work/$name"
    # shellcheck disable=SC2086  # $device may be empty
    fairseq-train "$bin" --user-dir "$plugin" --save-dir "$work/$name" $device --seed 1 \
        --arch transformer_tiny --share-all-embeddings --dropout 0.1 \
        --encoder-embed-dim 128 --encoder-ffn-embed-dim 256 --encoder-attention-heads 4 \
        --decoder-embed-dim 128 --decoder-ffn-embed-dim 256 --decoder-attention-heads 4 \
        --optimizer adam --adam-betas '(0.9, 0.98)' --lr "$lr" --lr-scheduler polynomial_decay \
        --warmup-updates "$warmup" --total-num-update "$updates" --max-update "$updates" --label-smoothing 0.1 \
        --no-epoch-checkpoints --log-format simple --log-interval 50 "$@" \
        >>"$work/$name/train.log" 2>&1 || { tail "$work/$name/train.log"; exit 1; }
    touch "$work/$name/.done"
}

student() { # student DATA NAME OPTIONS...
    local bin=$1 name=$2
    shift 2
    train "$bin" "$name" "$updates" 2e-3 200 --encoder-layers 2 --decoder-layers 2 --max-tokens 1024 "$@"
}

go_on() { # go_on DATA NAME UPDATES FROM OPTIONS...: a student trained further at a smaller learning rate
    local bin=$1 name=$2 updates=$3 from=$4
    shift 4
    train "$bin" "$name" "$updates" 5e-4 0 --encoder-layers 2 --decoder-layers 2 --max-tokens 1024 "${plain[@]}" \
        --finetune-from-model "$from" "$@"
}

distill() { # distill NAME OPTIONS...: a training set made by the teacher
    local name=$1
    shift
    [ ! -e "$work/$name/distill.json" ] || return 0
    echo "$name: the teacher translates the training set"
    # shellcheck disable=SC2086
    fairseq-flexdepth distill "$work/bin" --path "$teacher" --dest "$work/$name" $device --max-tokens 8000 \
        --post-process sentencepiece "$@" >"$work/$name.log" 2>&1 || { tail "$work/$name.log"; exit 1; }
}

decode() { # decode NAME: the test set, greedily and with beam 5
    local name=$1 beam
    for beam in 1 5; do
        [ ! -e "$work/$name/beam$beam/sweep.json" ] || continue
        echo "$name: decoding the test set, beam $beam"
        # The length is limited: a model that was pruned too far never ends a sentence.
        # shellcheck disable=SC2086
        fairseq-flexdepth sweep "$work/bin" --path "$work/$name/checkpoint_last.pt" --output "$work/$name/beam$beam" \
            $device --beam "$beam" --lenpen 1 --post-process sentencepiece --max-tokens 4000 --max-len-a 2 --max-len-b 10 \
            >"$work/$name/sweep.log" 2>&1 ||
            { tail "$work/$name/sweep.log"; exit 1; }
    done
}

prune() { # prune PERCENT: of the Seq-KD student's weights, and retrain what is left
    local name=pruned-$1
    mkdir -p "$work/$name"
    [ -e "$work/$name/checkpoint_last.pt" ] ||
        fairseq-flexdepth prune --path "$work/seq-kd/checkpoint_last.pt" --fraction "0.$1" \
            --output "$work/$name/checkpoint_last.pt" --json >"$work/$name/prune.json"
    decode "$name"
    go_on "$work/seq-kd-bin" "retrained-$1" "$retrain" "$work/$name/checkpoint_last.pt" --keep-pruned
    decode "retrained-$1"
}

plain=(--criterion label_smoothed_cross_entropy)
system() { # system NAME: what each system has of its own
    local mapping layers=(--teacher-path "$teacher" --kd-eta 0.1 --kd-lambda 0.7)
    case $1 in
        teacher)
            train "$work/bin" teacher "${TEACHER_UPDATES:-3000}" 2e-3 400 --encoder-layers 6 --decoder-layers 6 \
                --max-tokens 2048 "${plain[@]}" ;;
        no-kd) student "$work/bin" "$1" "${plain[@]}" ;;
        word-kd) student "$work/bin" "$1" --criterion word_kd --teacher-path "$teacher" --kd-alpha 0.5 ;;
        seq-kd)
            distill seq-kd-bin --beam "${BEAM:-5}"
            student "$work/seq-kd-bin" "$1" "${plain[@]}" ;;
        seq-inter)
            distill seq-inter-bin --beam "${INTER_BEAM:-35}" --select sentence-bleu
            updates=$((updates - finetune)) student "$work/bin" before-seq-inter "${plain[@]}"
            go_on "$work/seq-inter-bin" "$1" "$finetune" "$work/before-seq-inter/checkpoint_last.pt" ;;
        pkd) student "$work/bin" "$1" --criterion pkd "${layers[@]}" ;;
        ckd-*-released)
            mapping=${1#ckd-}
            student "$work/bin" "$1" --criterion ckd --ckd-mapping "${mapping%-released}" --ckd-fusion student "${layers[@]}" ;;
        ckd-*) student "$work/bin" "$1" --criterion ckd --ckd-mapping "${1#ckd-}" "${layers[@]}" ;;
        prune-*) prune "${1#prune-}"; return ;;
        *) echo "$1: no such system" >&2; exit 2 ;;
    esac
    decode "$1"
}

if [ -n "${SYSTEM:-}" ]; then system "$SYSTEM"; exit; fi

bash "$here/../../examples/common/multi30k.sh" "$data" "$work/text"
bash "$here/../../examples/common/prepare.sh" "$work/text" "$work" 4000

SYSTEM=teacher bash "$0" "$data" "$work"
for systems in "no-kd word-kd seq-kd seq-inter pkd ckd-rc ckd-oc ckd-sc ckd-cc ckd-rc-released" "prune-20 prune-40 prune-60 prune-80 prune-90"; do
    # shellcheck disable=SC2086  # a list of names
    printf '%s\n' $systems | xargs -P "${JOBS:-1}" -I '{}' env SYSTEM='{}' bash "$0" "$data" "$work"
done
(cd "$here/../.." && python -m recipes.distillation.multi30k "$work")
