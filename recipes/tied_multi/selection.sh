# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # recipe.sh uses them, setup.sh sets them
# A depth pair per sentence (section 4): labels, classifiers, and decoding by them. Sourced, after setup.sh.

case $SCALE in
    smoke) selector_updates=6 selector_interval=3 selector_batch=16 tune_updates=3 held_out=20 log_interval=1 ;;
    small) selector_updates=300 selector_interval=100 selector_batch=128 tune_updates=40 held_out=1000 ;;
    paper) # the paper states none of these but the last, the size of the classifiers' own development set
        selector_updates=100000 selector_interval=5000 selector_batch=1024 tune_updates=300 held_out=200000 ;;
esac
selector_updates=${UPDATES:-$selector_updates}
[ "$tune_updates" -le "$selector_updates" ] || tune_updates=$selector_updates
[ "$selector_interval" -le "$selector_updates" ] || selector_interval=$selector_updates
tied_average=$average
sentences=$(sampled_sentences) # of a short run
[ -z "$sentences" ] || held_out=$(((sentences + 9) / 10))

# labels OWNER NAME SPLIT SYSTEM...: write the labels of a split (each sentence's quality at every depth pair) to OWNER's folder
# NAME, by one tied-multi model or by a model per depth pair
labels() {
    local into split owner=$1 name=$2 system paths=() decoded=$work/bin
    into=$(folder "$owner")/$name split=$(subset_of "$3")
    shift 3
    for system; do paths+=(--path "$(model "$system")"); done
    [ "$split" != train ] || sample_to_decode "$decoded"
    shared "$into/$split" "$into/$split.labels.npz" fairseq-flexdepth oracle "$decoded" "${paths[@]}" \
        --gen-subset "$split" --output "$into" ${device[@]+"${device[@]}"} "${decoding[@]}" ${label_options[@]+"${label_options[@]}"}
}

held_out_labels() { # divide the training labels: `train-part` trains the classifiers, `held-out` chooses their checkpoints
    local into
    into=$(folder tied-multi)/labels
    step "$into/divided" run python -m recipes.tied_multi.held_out "$into" --sentences "$held_out"
}

model_of_tied() { average=$tied_average model tied-multi; }

selector() { # selector selector-LAYERS-HEADS[-tuned]: train the paper's classifier; -tuned: fine-tune it on the development set
    local name=$1 base layers heads
    local average=1 batch="$selector_batch sentences"
    IFS=- read -r _ layers heads _ <<<"$name"
    local training=(--task depth_selection --arch depth_selector --criterion depth_selection
        --init-embeddings-from "$(model_of_tied)" --encoder-layers "$layers" --encoder-attention-heads "$heads" --dropout 0.1
        --optimizer nag --momentum 0.9 --clip-norm 1 --lr-scheduler polynomial_decay --no-epoch-checkpoints)
    # shellcheck disable=SC2206  # SELECTOR_OPTIONS has several words
    training+=(${SELECTOR_OPTIONS:-})
    case $name in
        *-tuned)
            base=${name%-tuned}
            training+=(--finetune-from-model "$(folder "$base")/checkpoint_best.pt" --train-subset valid --disable-validation
                --lr 0.02 --total-num-update "$tune_updates" --max-update "$tune_updates") ;;
        *) training+=(--train-subset train-part --valid-subset held-out
            --lr 0.1 --total-num-update "$selector_updates" --max-update "$selector_updates"
            --save-interval-updates "$selector_interval" --keep-interval-updates 1) ;;
    esac
    on "$(folder tied-multi)/labels" train "$name"
}

decode_by() { # decode_by CHOICE: decode the test set at the chosen depth pairs, one sentence at a time
    local options=(--batch-size 1)
    case $1 in
        deepest) ;;
        oracle) options+=(--depth-selector "oracle:$(folder tied-multi)/labels") ;;
        *-tuned) options+=(--depth-selector "$(folder "$1")/checkpoint_last.pt") ;;
        *) options+=(--depth-selector "$(folder "$1")/checkpoint_best.pt") ;;
    esac
    generate tied-multi "$tests" "chosen/$1" "${options[@]}"
}
