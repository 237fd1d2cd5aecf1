#!/usr/bin/env bash
# Table 5 of Takase & Kiyono: parameters and perplexity of language models on WikiText-103. recipes/README.md explains SCALE,
# WORK, DATA, SOURCE, JOBS, GPUS, SEEDS and DRY_RUN.
# shellcheck source=recipes/common/recipe.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common/recipe.sh"

# sizes, wide (Universal's): width, feed-forward width, heads; cutoffs: the frequency bands of adaptive inputs and softmax;
# M: unique layers; large, vanilla_large: layers of the larger models
case $SCALE in
    smoke)
        data=${DATA:-wikitext103} M=2 large=3 vanilla_large=4 sizes=(16 32 2) wide=(20 44 2) cutoffs=20,40
        updates=12 block=32 context=16 batch=256 max_tokens=256 schedule=polynomial_decay lr=5e-3 warmup=5
        save_interval=1000 log_interval=4 ;;
    small)
        data=${DATA:-multi30k} M=3 large=4 vanilla_large=6 sizes=(128 256 4) wide=(184 400 4) cutoffs=1000,4000
        updates=1500 block=256 context=128 batch=2048 max_tokens=2048 schedule=polynomial_decay lr=2e-3 warmup=200
        save_interval=100 log_interval=20 ;;
    paper) # Table 6; the settings that it does not give are Baevski & Auli's, from fairseq's adaptive_inputs recipe
        data=${DATA:-wikitext103} M=6 large=15 vanilla_large=16 sizes=(1024 4096 8) wide=(1808 7232 8) cutoffs=20000,60000
        updates=50000 block=3072 context=2560 batch=73728 max_tokens=3072 schedule=inverse_sqrt lr=1e-3 warmup=2000
        save_interval=1000 log_interval=100 ;;
esac
[ "$data" != grammar ] || [ "$SCALE" != small ] || cutoffs=200,600 # it has few words
batch_unit=$block # a batch consists of whole blocks
average=1 updates=${UPDATES:-$updates}
training=(--task language_modeling --arch cycle_shared_transformer_lm --ddp-backend legacy_ddp --criterion adaptive_loss
    --adaptive-input-cutoff "$cutoffs" --adaptive-softmax-cutoff "$cutoffs" --tokens-per-sample "$block" --sample-break-mode none
    --optimizer adam --adam-betas '(0.9, 0.98)' --clip-norm 0.1 --lr "$lr" --lr-scheduler "$schedule"
    --warmup-updates "$warmup" --max-update "$updates" --save-interval-updates "$save_interval" --keep-interval-updates 1
    --no-epoch-checkpoints --skip-invalid-size-inputs-valid-test)
[ "$schedule" = inverse_sqrt ] || training+=(--total-num-update "$updates")

words() { # make $corpus/bin: the corpus as words; of a parallel corpus the English side
    local split
    corpus=$work/words
    text=$corpus/text bin=$corpus/bin
    original_text "$text"
    case $data in
        wikitext103) step "$corpus/prepared" prepare_lm "$text" "$corpus" ;;
        *)
            step "$corpus/tokens/made" run python -m recipes.common.data.moses "$text" "$corpus/tokens" --languages en
            for split in train valid test; do run ln -sfn "$split.en" "$corpus/tokens/$split.tokens"; done
            step "$corpus/prepared" prepare_lm "$corpus/tokens" "$corpus" ;;
    esac
}

system() { # system NAME: train a system and compute its perplexities; each branch has the options of one kind
    local strategy=${1#lm-} into split
    strategy=${strategy%-large}
    case $1 in
        lm-vanilla) language_model "$1" "$M" "${sizes[@]}" --layer-sharing none ;;
        lm-universal) language_model "$1" "$M" "${wide[@]}" --layer-sharing cycle --unique-decoder-layers 1 ;;
        lm-baevski) language_model "$1" "$vanilla_large" "${sizes[@]}" --layer-sharing none ;;
        lm-*-large)
            language_model "$1" $((2 * large)) "${sizes[@]}" --layer-sharing "$strategy" --unique-decoder-layers "$large" ;;
        lm-sequence | lm-cycle | lm-cycle_rev)
            language_model "$1" $((2 * M)) "${sizes[@]}" --layer-sharing "$strategy" --unique-decoder-layers "$M" ;;
        *) die "$1: no such system" ;;
    esac
    into=$(folder "$1")
    for split in valid test; do
        step "$into/$split" log_to "$into/$split.txt" on_device fairseq-eval-lm "$bin" --user-dir "$plugin" --path "$(model "$1")" \
            --gen-subset "$split" --sample-break-mode complete --tokens-per-sample "$block" --max-tokens "$block" \
            --context-window "$context" --softmax-batch 1024 ${device[@]+"${device[@]}"}
        step "$into/$split-score" run_to "$into/$split.json" python -m recipes.common.printed_score perplexity "$into/$split.txt"
    done
}

language_model() { # language_model SYSTEM LAYERS WIDTH FEED-FORWARD HEADS OPTIONS...
    train "$1" --decoder-layers "$2" --decoder-embed-dim "$3" --decoder-input-dim "$3" --decoder-output-dim "$3" \
        --decoder-ffn-embed-dim "$4" --decoder-attention-heads "$5" "${@:6}"
}

systems=(lm-vanilla lm-universal lm-sequence lm-cycle lm-cycle_rev lm-baevski lm-sequence-large)
[ "$SCALE" != smoke ] || systems=(lm-universal lm-cycle_rev)

words
each system "${systems[@]}"
table table5 params_millions='{system}/train:parameters / 1e6' \
    valid_ppl='{system}/valid:perplexity' test_ppl='{system}/test:perplexity'
