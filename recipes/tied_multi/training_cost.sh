#!/usr/bin/env bash
# What the paper did not measure: quality per hour of training, of separate models, of one tied-multi model, of one that trains
# only some depths per update, and of LayerDrop; with as many updates as the tied-multi model (SYSTEM), and as many as take about
# as long as its training (SYSTEM-long). recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/tied_multi/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

# by recipes/common/cost.py, how many times as many updates take as long as the tied-multi model's: those of some depths, and of one
case $SCALE in
    smoke) drawn=2 longer_some=2 longer_one=2 ;;
    small) drawn=2 longer_some=2 longer_one=5 ;;
    paper) drawn=4 longer_some=2 longer_one=16 ;; # the sandwich rule: the deepest, the shallowest and two at random
esac

trained() { # trained SYSTEM KIND OPTIONS...: train a system; each branch has the options of one kind
    local draw=(--sample-encoder-depths "$drawn" --sample-decoder-depths "$drawn")
    case $2 in
        sampled) train "$1" "${tied[@]}" "${draw[@]}" "${@:3}" ;;
        sandwich) train "$1" "${tied[@]}" "${draw[@]}" --sandwich-rule "${@:3}" ;;
        sampled-one) train "$1" "${tied[@]}" --sample-encoder-depths 1 --sample-decoder-depths 1 "${@:3}" ;;
        layerdrop) # legacy_ddp, since processes drop different layers
            train "$1" --arch "tied_multi_transformer$size" --criterion label_smoothed_cross_entropy --encoder-layers "$N" \
                --decoder-layers "$M" --subnetworks left --encoder-layerdrop 0.2 --decoder-layerdrop 0.2 --ddp-backend legacy_ddp "${@:3}" ;;
        *) die "$1: no such system" ;;
    esac
}

cheaper() { # cheaper SYSTEM: train and score it
    local kind=${1%-long} factor=$longer_some more=()
    case $kind in sampled-one | layerdrop) factor=$longer_one ;; esac
    if [ "$kind" != "$1" ]; then
        more=(--max-update $((factor * updates)))
        [ "$schedule" = inverse_sqrt ] || more+=(--total-num-update $((factor * updates)))
    fi
    trained "$1" "$kind" ${more[@]+"${more[@]}"}
    evaluate "$1" "$tests" test
}

prepare_corpus
each system tied-multi "${pairs[@]/#/vanilla-}"
each cheaper {sampled,sandwich,sampled-one,layerdrop}{,-long}
table_values=(N="$N" M="$M")
table_note=$training_time_note table training_cost +bleu_of_all_depth_pairs='{_all}' +shallowest='{_shallowest}' +deepest='{_deepest}' \
    +training_minutes='{_minutes}' +updates='{_updates}'
