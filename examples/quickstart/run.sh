#!/usr/bin/env bash
# Quickstart: train ONE 3x3 model on a small German-English corpus, then decode it at all nine depths.
#
#   examples/quickstart/run.sh [WORK_DIR]          (or `make demo`)
#
# The corpus is made on the spot by a synchronous grammar; TEXT=folder takes your own train.de, train.en, valid.de,
# ..., test.en instead. Results go to WORK_DIR (default: work, beside this script). A run that was interrupted goes
# on where it stopped. In the environment: TEXT; UPDATES; DEVICE (--cpu, or empty for a GPU).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${1:-$here/work} updates=${UPDATES:-900}
read -ra device <<<"${DEVICE---cpu}"
text=${TEXT:-$work/text}
plugin=$here/../../fairseq_flexdepth
mkdir -p "$work"

if [ -z "${TEXT:-}" ] && [ ! -e "$text/.done" ]; then
    echo "== making a corpus of 20,000 sentence pairs"
    python "$here/corpus/generate.py" --output "$text" --pairs 20000 --valid 500 --test 500 --seed 1
    touch "$text/.done"
fi
bash "$here/../common/prepare.sh" "$text" "$work" 1000

if [ ! -e "$work/model/.done" ]; then
    echo "== training one 3x3 model for all nine depths: $updates updates (log: $work/train.log)"
    PYTHONWARNINGS=ignore fairseq-train "$work/bin" --user-dir "$plugin" --save-dir "$work/model" \
        ${device[@]+"${device[@]}"} --seed 1 --arch tied_multi_transformer_tiny --criterion tied_multi_cross_entropy --label-smoothing 0.1 \
        --encoder-layers 3 --decoder-layers 3 --share-all-embeddings --dropout 0.1 \
        --encoder-embed-dim 128 --encoder-ffn-embed-dim 256 --encoder-attention-heads 4 \
        --decoder-embed-dim 128 --decoder-ffn-embed-dim 256 --decoder-attention-heads 4 \
        --optimizer adam --adam-betas '(0.9, 0.98)' --lr 3e-3 --lr-scheduler polynomial_decay \
        --warmup-updates 150 --total-num-update "$updates" --max-update "$updates" --max-tokens 2048 \
        --no-epoch-checkpoints --log-format tqdm >>"$work/train.log" || { tail "$work/train.log"; exit 1; }
    touch "$work/model/.done"
fi

echo "== decoding the test set at every depth"
fairseq-flexdepth sweep "$work/bin" --path "$work/model/checkpoint_last.pt" --output "$work/sweep" ${device[@]+"${device[@]}"} \
    --beam 4 --lenpen 0.6 --remove-bpe sentencepiece --max-tokens 4000 --overwrite

echo
for line in 1 2 3; do
    for name in source reference e1d1 e3d3; do
        printf '%-10s %s\n' "$name" "$(sed -n "${line}p" "$work/sweep/$name.txt")"
    done
    echo
done
echo "report: $work/sweep/index.html"
