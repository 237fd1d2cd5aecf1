#!/usr/bin/env bash
# Which training makes the exits of a 3x3 model agree, so that drafts are accepted, and what it costs in BLEU: see README.md.
#
#   recipes/self_speculative/agreement.sh [WORK_DIR]
#
# All output goes to WORK_DIR (default: work, beside this script); the table goes to WORK_DIR/agreement.md. An interrupted run
# resumes. Environment: TEXT, a folder with train.de, train.en, valid.*, test.* (default: the grammar corpus is generated);
# VOCABULARY, number of sub-words (default 1000); SYSTEMS, to train only some; SEEDS (default "1 2 3"); UPDATES;
# DEVICE (--cpu, or empty for a GPU).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
export PYTHONPATH=$repository${PYTHONPATH:+:$PYTHONPATH} # the installed copy of the package may be older
work=${1:-$here/work} updates=${UPDATES:-1500}
read -ra device <<<"${DEVICE---cpu}"
read -ra seeds <<<"${SEEDS:-1 2 3}"
read -ra systems <<<"${SYSTEMS:-tied-multi weighted one-encoder-depth sampled distilled}"
text=${TEXT:-$work/text}
mkdir -p "$work"
work=$(cd "$work" && pwd)

[ -n "${TEXT:-}" ] || bash "$repository/recipes/common/data/grammar.sh" "$text"
bash "$repository/examples/common/prepare.sh" "$text" "$work" "${VOCABULARY:-1000}"

train() { # train SYSTEM SEED DATA OPTIONS...
    local folder=$work/$1/seed$2 seed=$2 data=$3
    shift 3
    [ ! -e "$folder/.done" ] || return 0
    echo "training $folder, $updates updates"
    mkdir -p "$folder"
    fairseq-train "$data" --user-dir "$repository/fairseq_flexdepth" --save-dir "$folder" ${device[@]+"${device[@]}"} \
        --seed "$seed" --arch tied_multi_transformer_tiny --criterion tied_multi_cross_entropy --label-smoothing 0.1 \
        --encoder-layers 3 --decoder-layers 3 --encoder-normalize-before --decoder-normalize-before \
        --share-all-embeddings --dropout 0.1 --encoder-embed-dim 128 --encoder-ffn-embed-dim 256 \
        --encoder-attention-heads 4 --decoder-embed-dim 128 --decoder-ffn-embed-dim 256 --decoder-attention-heads 4 \
        --optimizer adam --adam-betas '(0.9, 0.98)' --lr 3e-3 --lr-scheduler polynomial_decay --warmup-updates 150 \
        --total-num-update "$updates" --max-update "$updates" --max-tokens 2048 --no-epoch-checkpoints \
        --save-interval-updates 250 --keep-interval-updates 1 --log-format simple --log-interval 100 "$@" \
        >>"$folder/train.log" 2>&1 || { tail "$folder/train.log"; exit 1; }
    touch "$folder/.done"
}

system() { # system NAME SEED: train it, and what it needs
    local teacher=$work/tied-multi/seed$2/checkpoint_last.pt corpus=$work/distilled-corpus/seed$2
    case $1 in
        tied-multi) train "$1" "$2" "$work/bin" ;;
        weighted) train "$1" "$2" "$work/bin" --depth-weights '1,1,1;1,1,1;4,1,4' ;; # (3, 1) drafts, (3, 3) checks
        one-encoder-depth) train "$1" "$2" "$work/bin" --encoder-depths 3 ;;
        sampled) train "$1" "$2" "$work/bin" --sample-encoder-depths 1 --sample-decoder-depths 2 ;;
        distilled)
            system tied-multi "$2"
            [ -e "$corpus.done" ] || fairseq-flexdepth distill "$work/bin" --path "$teacher" --dest "$corpus" \
                ${device[@]+"${device[@]}"} --gen-subset train --beam 4 --max-tokens 4000 >"$corpus.log" 2>&1 ||
                { tail "$corpus.log"; exit 1; }
            touch "$corpus.done"
            train "$1" "$2" "$corpus" ;;
        *) echo "SYSTEMS: $1: expected tied-multi, weighted, one-encoder-depth, sampled or distilled" >&2; exit 2 ;;
    esac
}

mkdir -p "$work/distilled-corpus"
for seed in "${seeds[@]}"; do
    for name in "${systems[@]}"; do system "$name" "$seed"; done
done
python -m recipes.self_speculative.acceptance "$work" ${device[@]+"${device[@]}"}
