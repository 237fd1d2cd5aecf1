#!/usr/bin/env bash
# A depth pair per sentence on Multi30k German-English ([dabre2020] Table 2 and Figure 2): the oracle, the paper's classifier
# with and without fine-tuning, a cost-aware selector, a length rule, and every fixed depth pair.
#
#   recipes/depth_selection/multi30k.sh DATA_DIR [WORK_DIR]
#
# DATA_DIR contains Multi30k's raw task 1 files (train.de, train.en, val.*, test_2016_flickr.*), plain or gzipped. All output
# goes to WORK_DIR (default: work/multi30k, beside this script). If examples/multi30k/run.sh has trained a 3x3 tied-multi model
# there, it is used. An interrupted run resumes; to change a setting, remove the files that depend on it. Environment:
# SELECTOR_UPDATES, updates of every selector; FINETUNE, updates on the development set; COSTS, prices of the deepest pair's
# decoding time for the cost-aware selector, in points of chrF; BATCHES, 1 (one sentence at a time, as in the paper), full, or
# both; the variables of search.sh; DEVICE (--cpu, or empty for a GPU).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] || { sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
data=$1 work=${2:-$here/work/multi30k}
read -ra device <<<"${DEVICE---cpu}"
mkdir -p "$work"
work=$(cd "$work" && pwd)
updates=${SELECTOR_UPDATES:-300} finetune=${FINETUNE:-40} batches=${BATCHES:-1 full}
read -ra costs <<<"${COSTS:-1 5 20}"
for batch in $batches; do
    case $batch in 1 | full) ;; *) echo "BATCHES=$batches: expected 1, full or both" >&2; exit 2 ;; esac
done
plugin=$here/../../fairseq_flexdepth tied=$work/tied-multi/checkpoint_last.pt
decoding=(--beam 4 --lenpen 0.6 --post-process sentencepiece)
# shellcheck source=recipes/depth_selection/selector.sh
source "$here/selector.sh"

MODELS=tied-multi bash "$here/../../examples/multi30k/run.sh" "$data" "$work"

for split in train valid test; do
    [ ! -e "$work/labels/$split.labels.npz" ] || continue
    echo "$split: decoding at every depth"
    fairseq-flexdepth oracle "$work/bin" --path "$tied" --gen-subset "$split" --output "$work/labels" \
        ${device[@]+"${device[@]}"} "${decoding[@]}" --max-tokens 4000
done

bash "$here/search.sh" "$work"
read -r -a searched <<<"$(tr '\n' ' ' <"$work/search.best")"

echo "training selectors (logs: $work/*/train.log)"
paper paper "$updates" "${searched[@]}"
# on the development set, without validation: the last checkpoint is used
tune=(--train-subset valid --disable-validation --warmup-updates 0)
paper paper-tuned "$finetune" "${searched[@]}" --finetune-from-model "$work/paper/checkpoint_best.pt" "${tune[@]}" --lr 0.02
for cost in "${costs[@]}"; do
    cost_aware=(--criterion cost_aware_depth_selection --selector-time-cost "$cost" --optimizer adam)
    selector "cost-$cost" "$updates" "${cost_aware[@]}" --lr 5e-4
    selector "cost-$cost-tuned" "$finetune" "${cost_aware[@]}" --lr 1e-4 \
        --finetune-from-model "$work/cost-$cost/checkpoint_best.pt" "${tune[@]}"
done

decode() { # decode NAME BATCH OPTIONS...: decode the test set, BATCH sentences at a time or in full batches
    local name=$1 batch=$2 size=(--max-tokens 4000)
    shift 2
    local log=$work/decoded/$name-$batch.log
    [ "$batch" = full ] || size=(--batch-size "$batch")
    [ ! -e "$log" ] || return 0
    mkdir -p "$work/decoded"
    fairseq-generate "$work/bin" --user-dir "$plugin" --path "$tied" ${device[@]+"${device[@]}"} "${decoding[@]}" \
        "${size[@]}" "$@" >"$log.part" 2>&1 || { tail "$log.part"; exit 1; }
    mv "$log.part" "$log"
}

python -m recipes.depth_selection.length_rules "$work/labels" "${costs[@]}" >"$work/lengths.txt"
for batch in $batches; do
    echo "decoding the test set, batch: $batch"
    for n in 1 2 3; do for m in 1 2 3; do
        decode "always-$n-$m" "$batch" --enc-layers "$n" --dec-layers "$m"
    done; done
    decode oracle "$batch" --depth-selector "oracle:$work/labels"
    decode paper "$batch" --depth-selector "$work/paper/checkpoint_best.pt"
    decode paper-tuned "$batch" --depth-selector "$work/paper-tuned/checkpoint_last.pt"
    for cost in "${costs[@]}"; do
        decode "cost-$cost" "$batch" --depth-selector "$work/cost-$cost/checkpoint_best.pt"
        decode "cost-$cost-tuned" "$batch" --depth-selector "$work/cost-$cost-tuned/checkpoint_last.pt"
    done
    while read -r cost rule; do decode "length-$cost" "$batch" --depth-selector "$rule"; done <"$work/lengths.txt"
done
python -m recipes.depth_selection.multi30k "$work"
