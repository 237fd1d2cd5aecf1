# shellcheck shell=bash
# shellcheck disable=SC2034  # recipe.sh uses them
# Wang et al., "Training flexible depth model by multi-task learning for neural machine translation": how its systems are
# trained. Sourced.
# shellcheck source=recipes/common/recipe.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common/recipe.sh"

case $SCALE in
    smoke)
        use_corpus iwslt14_de_en
        subwords=bpe vocabulary=300 prepare_options=(--separate) size=_iwslt_de_en
        encoder_layers=2 encoder_tasks=2 decoder_layers=2 decoder_tasks=2 pairs=(1-1 1-2 2-2) dropped=(0.5)
        sizes=(--share-decoder-input-output-embed --encoder-embed-dim 16 --encoder-ffn-embed-dim 32
            --decoder-embed-dim 16 --decoder-ffn-embed-dim 32 --dropout 0.1)
        updates=12 batch=400 schedule=polynomial_decay lr=5e-3 finetune_lr=5e-3 warmup=4 save_interval=4 average=2 log_interval=4 ;;
    small)
        use_corpus multi30k
        subwords=sentencepiece vocabulary=4000 prepare_options=() size=_tiny
        encoder_layers=12 encoder_tasks=6 decoder_layers=6 decoder_tasks=4 pairs=({1,3,6,12}-{1,6})
        dropped=(0.1667 0.3333 0.5 0.6667)
        sizes=(--share-all-embeddings --encoder-embed-dim 64 --encoder-ffn-embed-dim 128 --encoder-attention-heads 4
            --decoder-embed-dim 64 --decoder-ffn-embed-dim 128 --decoder-attention-heads 4 --dropout 0.1)
        updates=2000 batch=2048 schedule=polynomial_decay lr=2e-3 finetune_lr=1e-3 warmup=200 save_interval=200 average=3 ;;
    paper) # its Appendix A is not public; README.md lists the settings of Wu et al. (2019), whom the paper follows, and our choices
        use_corpus iwslt14_de_en
        subwords=bpe vocabulary=10000 prepare_options=(--separate) size=_iwslt_de_en
        encoder_layers=12 encoder_tasks=6 decoder_layers=6 decoder_tasks=4 pairs=({1,2,3,4,6,12}-{1,2,3,6})
        dropped=(0.1667 0.3333 0.5 0.6667)
        sizes=(--share-decoder-input-output-embed --dropout 0.3 --weight-decay 0.0001)
        updates=50000 batch=8192 schedule=inverse_sqrt lr=5e-4 finetune_lr=5e-4 warmup=4000 average=10
        # less than an epoch of batches of 8,192 tokens, and prime, since LayerDrop's epochs have some 20 updates: see save_often
        save_interval=401 ;;
esac
max_tokens=$((batch < 4096 ? batch : 4096))
[ "$data" != grammar ] || [ "$SCALE" != small ] || vocabulary=1000 # it has few words
updates=${UPDATES:-$updates}
save_often "$updates"
training=("${sizes[@]}" --encoder-normalize-before --decoder-normalize-before --label-smoothing 0.1
    --optimizer adam --adam-betas '(0.9, 0.98)' --lr "$lr" --lr-scheduler "$schedule" --warmup-updates "$warmup"
    --max-update "$updates" --save-interval-updates "$save_interval" --keep-interval-updates "$average" --no-epoch-checkpoints)
[ "$schedule" = inverse_sqrt ] || training+=(--total-num-update "$updates")
pretraining=() finetuning=()
if [ "$SCALE" = small ]; then
    # a better teacher needs more updates than these; models that are fine-tuned from it need fewer
    pretraining=(--max-update $((2 * updates)) --total-num-update $((2 * updates)))
    finetuning=(--max-update $((updates / 2)) --total-num-update $((updates / 2)))
fi
read -ra as_text <<<"$(decode_options "$subwords" "$source_language" "$target_language")"
decoding=(--beam 4 --lenpen 1 --max-tokens 4000 "${as_text[@]}")
[ "$SCALE" != smoke ] || decoding+=(--max-len-b 30) # models of 12 updates hardly ever end a sentence

tasks=$((encoder_tasks * decoder_tasks))
pretrained=original-baseline-$encoder_layers-$decoder_layers
table_values=(encoder_layers="$encoder_layers" decoder_layers="$decoder_layers" pretrained="$pretrained")

divisors=(--encoder-depths divisors --decoder-depths divisors)
deepest=(--encoder-depths "$encoder_layers" --decoder-depths "$decoder_layers")
layers=(--encoder-layers "$encoder_layers" --decoder-layers "$decoder_layers")

plain() { # plain SYSTEM OPTIONS...: train with a stock criterion, which trains the deepest pair alone
    train "$1" --criterion label_smoothed_cross_entropy "${@:2}"
}

layerdrop() { # layerdrop SYSTEM P OPTIONS...: train with LayerDrop of probability P
    # legacy_ddp, since processes drop different layers
    plain "$1" --arch "tied_multi_transformer$size" "${layers[@]}" --subnetworks left --ddp-backend legacy_ddp \
        --encoder-layerdrop "$2" --decoder-layerdrop "$2" "${@:3}"
}

multi_task() { # multi_task SYSTEM OPTIONS...: fine-tune the pre-trained model of this seed for all depth pairs
    train "$1" --arch "tied_multi_transformer$size" --criterion multi_task_depth_cross_entropy "${layers[@]}" --subnetworks optimal \
        "${divisors[@]}" --finetune-from-model "$(model "$pretrained")" --lr "$finetune_lr" \
        ${finetuning[@]+"${finetuning[@]}"} "${@:2}"
}

system() { # system NAME: train and score a system with Seq-KD; original-NAME: without Seq-KD
    local name=$1
    case $name in
        # on our architecture, so that it can decode at other depths
        "$pretrained") plain "$name" --arch "tied_multi_transformer$size" "${layers[@]}" "${deepest[@]}" \
            ${pretraining[@]+"${pretraining[@]}"} ;;
        original-*) on "$bin" trained "$name" "${name#original-}" ;;
        *) on "$work/distilled" trained "$name" "$name" ;;
    esac
    evaluate "$name" test test
}

trained() { # trained SYSTEM KIND: train a system; each branch has the options of one kind
    local depth=${2#baseline-}
    case $2 in
        baseline-*) plain "$1" --arch "transformer$size" --encoder-layers "${depth%-*}" --decoder-layers "${depth#*-}" ;;
        layerdrop) batch=$((batch * tasks)) layerdrop "$1" 0.2 "${divisors[@]}" ;;
        layerdrop-one-batch) layerdrop "$1" 0.2 "${divisors[@]}" ;;
        layerdrop-p*) layerdrop "$1" "${2#layerdrop-p}" --encoder-depths all --decoder-depths all ;;
        mt-encoder) multi_task "$1" --decoder-depths "$decoder_layers" ;;
        mt-decoder) multi_task "$1" --encoder-depths "$encoder_layers" ;;
        mt-half-decoder) multi_task "$1" --sample-decoder-depths $((decoder_tasks / 2)) ;;
        mt-half-encoder) multi_task "$1" --sample-encoder-depths $((encoder_tasks / 2)) ;;
        mt-half-batch) batch=$((batch / 2)) multi_task "$1" ;;
        mt-quarter-decoder) multi_task "$1" --sample-decoder-depths $((decoder_tasks / 4)) ;;
        mt-half-encoder-half-decoder)
            multi_task "$1" --sample-encoder-depths $((encoder_tasks / 2)) --sample-decoder-depths $((decoder_tasks / 2)) ;;
        mt-half-batch-half-decoder) batch=$((batch / 2)) multi_task "$1" --sample-decoder-depths $((decoder_tasks / 2)) ;;
        mt-half-batch-half-encoder) batch=$((batch / 2)) multi_task "$1" --sample-encoder-depths $((encoder_tasks / 2)) ;;
        mt-quarter-batch) batch=$((batch / 4)) multi_task "$1" ;;
        mt-*) multi_task "$1" --subnetworks "${2#mt-}" ;;
        *) die "$1: no such system" ;;
    esac
}

distilled_corpus() { # make $work/distilled: the training set translated by the first seed's pre-trained model (Algorithm 1)
    each system "$pretrained"
    distill distilled "$(model "$pretrained")"
}
