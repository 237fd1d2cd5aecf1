# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # recipe.sh uses them; Table 2's sizes are set for it alone
# Takase & Kiyono, "Lessons on parameter sharing across layers in Transformers": how its translation models are trained.
# Sourced; tables 4 and 5 have other models.
# shellcheck source=recipes/common/recipe.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common/recipe.sh"

# M: unique layers, and the depth of Vanilla. base, wide (Universal's) and big: width, feed-forward width and heads, so that
# Vanilla and Universal have about as many parameters
case $SCALE in
    smoke)
        M=2 base=(16 32 2) wide=(20 56 2) big=(32 64 2)
        vocabulary=300 dropout=0.1 updates=12 batch=400 max_tokens=400 schedule=polynomial_decay lr=5e-3 warmup=5
        save_interval=4 log_interval=4 average=2 ;;
    small)
        M=3 base=(128 256 4) wide=(208 464 4) big=(256 512 4)
        vocabulary=2000 dropout=0.1 updates=4000 batch=2048 max_tokens=2048 schedule=polynomial_decay lr=2e-3 warmup=400
        save_interval=250 log_interval=20 average=3 ;;
    paper) # Table 6; what the paper leaves open is from the README of its released code
        M=6 base=(512 2048 8) wide=(1024 4096 16) big=(1024 4096 16)
        vocabulary=32000 dropout=0.3 updates=50000 batch=458752 max_tokens=3584 schedule=inverse_sqrt lr=1e-3 warmup=4000
        # less than an epoch of WMT'16 (260 updates or more), and prime: see save_often
        save_interval=251 log_interval=100 average=10 SEEDS=${SEEDS:-3} ;;
esac
updates=${UPDATES:-$updates}
save_often "$updates"
training=(--residual-init admin --criterion label_smoothed_cross_entropy --label-smoothing 0.1 --dropout "$dropout"
    --optimizer adam --adam-betas '(0.9, 0.98)' --clip-norm 0.0 --lr "$lr" --lr-scheduler "$schedule"
    --warmup-updates "$warmup" --max-update "$updates"
    --save-interval-updates "$save_interval" --keep-interval-updates "$average" --no-epoch-checkpoints)
[ "$schedule" = inverse_sqrt ] || training+=(--total-num-update "$updates")
embeddings=(--share-all-embeddings)
prefix= # the start of the names of a table's systems

translation_corpus() { # translation_corpus NAME: choose a corpus, or its replacement at this scale, and its $test_sets
    if [ "$SCALE" = small ]; then use_corpus multi30k; else use_corpus "$1"; fi
    subwords=bpe
    case $data in
        wmt16_en_de)
            tests=newstest2010,newstest2011,newstest2012,newstest2014,newstest2015,newstest2016
            test_sets=(newstest20{10..16}) ;;
        wmt14_en_fr) tests=newstest2014 test_sets=(newstest2013 newstest2014) ;;
        *) tests=test test_sets=(test) subwords=sentencepiece ;;
    esac
    [ "$data" != grammar ] || [ "$SCALE" != small ] || vocabulary=1000 # it has few words
    [ "$SCALE" != smoke ] || [ "$tests" = test ] || test_sets=(newstest2013 newstest2014)
    direction "$source_language" "$target_language"
}

corpus_folder() { # corpus_folder FOLDER: use the corpus that is, or will be, in a folder
    corpus=$1 text=$1/text bin=$1/bin
}

direction() { # direction SOURCE TARGET: set the languages of the models
    local options
    source_language=$1 target_language=$2
    read -ra options <<<"$(decode_options "$subwords" "$1" "$2")"
    decoding=(--source-lang "$1" --target-lang "$2" --beam 4 --max-tokens 4000 "${options[@]}")
}

system() { # system NAME: train a system; each branch has the options of one kind
    local name=${1#"$prefix"}
    case $name in
        vanilla) transformer "$1" tied_multi "$M" "${base[@]}" ;;
        vanilla-big) transformer "$1" tied_multi "$M" "${big[@]}" ;;
        vanilla-deep) transformer "$1" tied_multi $((3 * M)) "${base[@]}" ;;
        universal) transformer "$1" recurrent_stacked "$M" "${wide[@]}" ;;
        universal-deep) transformer "$1" recurrent_stacked $((2 * M)) "${wide[@]}" ;;
        universal-small) transformer "$1" recurrent_stacked "$M" "${base[@]}" ;;
        sequence-[23] | cycle-[23] | cycle_rev-[23]) # N = 2M, 3M
            transformer "$1" cycle_shared $((${name#*-} * M)) "${base[@]}" --layer-sharing "${name%-*}" \
                --unique-encoder-layers "$M" --unique-decoder-layers "$M" ;;
        kiyono) # Table 2's, which shares nothing
            local embeddings=()
            transformer "$1" tied_multi "$layers" "${large[@]}" ;;
        *) die "$1: no such system" ;;
    esac
}

transformer() { # transformer SYSTEM FAMILY LAYERS WIDTH FEED-FORWARD HEADS OPTIONS...: train a model
    train "$1" --source-lang "$source_language" --target-lang "$target_language" --arch "$2_transformer" \
        --encoder-layers "$3" --encoder-embed-dim "$4" --encoder-ffn-embed-dim "$5" --encoder-attention-heads "$6" \
        --decoder-layers "$3" --decoder-embed-dim "$4" --decoder-ffn-embed-dim "$5" --decoder-attention-heads "$6" \
        ${embeddings[@]+"${embeddings[@]}"} "${@:7}"
}

scored() { # scored NAME: train a system and score it on every test set; newstest2013 is the validation set of most corpora
    local set split options
    system "$1"
    for set in "${test_sets[@]}"; do
        options=() split=$set
        [ "$set" != newstest2014 ] || options=(--lenpen 0.6)
        [[ ,$tests, = *,$set,* ]] || split=valid
        generate "$1" "$split" "scores/$set" ${options[@]+"${options[@]}"}
    done
}
