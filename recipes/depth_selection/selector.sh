# shellcheck shell=bash
# shellcheck disable=SC2154  # multi30k.sh and search.sh set these
# Training a selector on Multi30k. Sourced by multi30k.sh and search.sh, which set work, device, plugin and tied.
# PYTHONPATH: the installed copy of the package may be older than the repository's.
selector_repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export PYTHONPATH=$selector_repository${PYTHONPATH:+:$PYTHONPATH}

selector() { # selector NAME UPDATES OPTIONS...: train a selector
    local name=$1 updates=$2
    shift 2
    [ ! -e "$work/$name/.done" ] || return 0
    mkdir -p "$work/$name"
    fairseq-train "$work/labels" --user-dir "$plugin" --task depth_selection --arch depth_selector \
        --save-dir "$work/$name" ${device[@]+"${device[@]}"} --seed 1 --init-embeddings-from "$tied" \
        --encoder-layers 2 --encoder-attention-heads 4 --dropout 0.1 \
        --batch-size 128 --lr-scheduler polynomial_decay --total-num-update "$updates" --max-update "$updates" \
        --save-interval-updates 100 --keep-interval-updates 1 --no-epoch-checkpoints \
        --log-format json --log-interval 50 "$@" \
        >>"$work/$name/train.log" 2>&1 || { tail "$work/$name/train.log"; exit 1; }
    touch "$work/$name/.done"
}

paper() { # paper NAME UPDATES OPTIONS...: train a selector with the paper's objective and optimiser
    local name=$1 updates=$2
    shift 2
    selector "$name" "$updates" --criterion depth_selection --optimizer nag --momentum 0.9 --lr 0.1 --clip-norm 1 "$@"
}

best() { # best LOG KEY: print the value of KEY at the validation with the lowest loss
    python -c '
import json, re, sys
lines = re.findall(r"\| valid \| (\{.*\})", open(sys.argv[1], encoding="utf-8").read())
best = min(map(json.loads, lines), key=lambda line: float(line["valid_loss"]))
print(best["valid_" + sys.argv[2]])' "$1" "$2"
}
