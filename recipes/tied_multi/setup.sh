# shellcheck shell=bash
# shellcheck disable=SC2034  # recipe.sh uses them
# Dabre et al., "Balancing cost and benefit with tied-multi Transformers": how its systems are trained. Sourced.
# shellcheck source=recipes/common/recipe.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common/recipe.sh"

case $SCALE in
    smoke)
        use_corpus wmt18_en_de
        vocabulary=300 N=2 M=2 deep=2,2 pairs=(1-1 1-2 2-2) size=_tiny teachers=2 average=2 dropout=0.1
        sizes=(--encoder-embed-dim 16 --encoder-ffn-embed-dim 32 --decoder-embed-dim 16 --decoder-ffn-embed-dim 32)
        updates=60 batch=400 schedule=polynomial_decay lr=1e-2 warmup=10 save_interval=20 log_interval=20 ;;
    small)
        use_corpus multi30k
        vocabulary=2000 training_pairs=8000 N=3 M=3 deep=3,3 pairs=({1..3}-{1..3}) size=_tiny teachers=1 average=3 dropout=0.1
        sizes=(--encoder-embed-dim 64 --encoder-ffn-embed-dim 128 --encoder-attention-heads 4
            --decoder-embed-dim 64 --decoder-ffn-embed-dim 128 --decoder-attention-heads 4)
        updates=2000 batch=1024 schedule=polynomial_decay lr=4e-3 warmup=100 save_interval=200 ;;
    paper)
        # transformer_base_single_gpu of tensor2tensor 1.6: batches of 2,048 tokens, and the learning rate
        # 2 * width^-0.5 * min(update * warmup^-1.5, update^-0.5), whose peak is 2 * 512^-0.5 * 16000^-0.5 = 7.0e-4
        use_corpus wmt18_en_de
        vocabulary=32000 N=6 M=6 deep=5,6 pairs=({1..6}-{1..6}) size=_wmt_en_de teachers=5 average=10 dropout=0.1
        sizes=()
        updates=300000 batch=2048 schedule=inverse_sqrt lr=7e-4 warmup=16000 save_interval=1000 ;;
esac
tests=test subwords=sentencepiece max_tokens=$batch
[ "$data" != wmt18_en_de ] || tests=newstest2018
[ "$data" != grammar ] || [ "$SCALE" != small ] || vocabulary=1000 # it has few words
updates=${UPDATES:-$updates}
save_often "$updates"
# as transformer_base_single_gpu: Pre-LN, these dropouts and label smoothing, Adam's betas and epsilon, no clipping
training=("${sizes[@]}" --share-all-embeddings --encoder-normalize-before --decoder-normalize-before
    --dropout "$dropout" --attention-dropout 0.1 --activation-dropout 0.1 --label-smoothing 0.1
    --optimizer adam --adam-betas '(0.9, 0.997)' --adam-eps 1e-9 --clip-norm 0.0
    --lr "$lr" --lr-scheduler "$schedule" --warmup-updates "$warmup" --max-update "$updates"
    --save-interval-updates "$save_interval" --keep-interval-updates "$average" --no-epoch-checkpoints)
[ "$schedule" = inverse_sqrt ] || training+=(--total-num-update "$updates")
decoding=(--beam 4 --lenpen 0.6 --max-tokens 4000 --post-process sentencepiece)
teaching=()
if [ "$SCALE" = smoke ]; then # after so few updates a model almost never ends a sentence
    decoding+=(--max-len-a 1 --max-len-b 5)
    teaching=(--beam 20)
fi

multi=(--criterion tied_multi_cross_entropy --encoder-layers "$N" --decoder-layers "$M")
recurrent=(--arch "recurrent_stacked_transformer$size" "${multi[@]}")
tied=(--arch "tied_multi_transformer$size" "${multi[@]}")

vanilla() { # vanilla SYSTEM N M OPTIONS...: train a vanilla model of N encoder and M decoder layers
    train "$1" --arch "transformer$size" --criterion label_smoothed_cross_entropy --encoder-layers "$2" --decoder-layers "$3" \
        "${@:4}"
}

system() { # system NAME: train and score a system; each branch has the options of one kind
    local name=$1 n m
    case $name in
        vanilla-*)
            n=${name#vanilla-} m=${name##*-}
            vanilla "$name" "${n%-*}" "$m" ;;
        candidate-*) vanilla "$name" "$N" "$M" --seed "${name#candidate-}" ;;
        tied-multi) train "$name" "${tied[@]}" ;;
        tied-multi-rs) train "$name" "${recurrent[@]}" ;;
        distilled-tied-multi) on "$work/distilled" train "$name" "${tied[@]}" ;;
        distilled-tied-multi-rs) on "$work/distilled" train "$name" "${recurrent[@]}" ;;
        *) die "$name: no such system" ;;
    esac
    evaluate "$name" "$tests" test
}

distilled_corpus() { # make $work/distilled: the training set translated by the best of several vanilla models (section 5.2)
    local candidates=("vanilla-$N-$M") candidate
    for candidate in $(seq 2 "$teachers"); do candidates+=("candidate-$candidate"); done
    SEEDS=1 each system "${candidates[@]}"
    SEEDS=1 each on_development_set "${candidates[@]}"
    best valid/sweep:bleu "$work/teacher.pt" "${candidates[@]}"
    distill distilled "$work/teacher.pt" ${teaching[@]+"${teaching[@]}"}
}

timed() { # timed NAME: measure decoding times, by JOBS=1 after all trainings: nothing else may run
    evaluate "$1" "$tests" timed
}

on_development_set() { evaluate "$1" valid valid; }
