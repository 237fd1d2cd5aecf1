#!/usr/bin/env bash
# Table 4 of Takase & Kiyono: parameters, training speed relative to Universal, and word error rates of speech recognition on
# LibriSpeech. recipes/README.md explains SCALE, WORK, SOURCE, JOBS, GPUS, SEEDS and DRY_RUN. It needs
# pip install '.[recipes]' in the repository.
# shellcheck source=recipes/common/recipe.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common/recipe.sh"

# sizes, wide (Universal's): width, feed-forward width and heads; plain: layers per side of Vanilla and Universal; encoder,
# decoder: unique layers of the strategies, each of which has two positions; loaders: processes per GPU that read features
splits=(dev-clean dev-other test-clean test-other)
case $SCALE in
    smoke)
        vocabulary=60 training_splits=(train-clean-100) splits=(dev-clean test-clean)
        plain=2 encoder=2 decoder=1 sizes=(16 32 2) wide=(20 40 2) channels=16
        updates=16 batch=1800 max_tokens=1800 schedule=polynomial_decay lr=5e-3 warmup=5 save_interval=4 log_interval=4
        average=2 loaders=1 ;;
    small) # spoken digits, whose utterances are short
        vocabulary=30 training_splits=(train-clean-100) splits=(dev-clean test-clean) masked=0.1
        plain=3 encoder=4 decoder=2 sizes=(128 256 4) wide=(208 464 4) channels=128
        updates=2000 batch=16000 max_tokens=16000 schedule=polynomial_decay lr=2e-3 warmup=300 save_interval=200
        log_interval=20 average=3 loaders=0 ;;
    paper) # Table 6; the settings that it does not give are those of fairseq's T-Md (Wang et al., 2020)
        vocabulary=10000 training_splits=(train-clean-100 train-clean-360 train-other-500)
        plain=6 encoder=8 decoder=4 sizes=(512 2048 8) wide=(1024 6144 16) channels=1024
        updates=150000 batch=320000 max_tokens=40000 schedule=inverse_sqrt lr=1e-3 warmup=4000 save_interval=1000
        log_interval=100 average=10 loaders=4 ;;
esac
data=librispeech updates=${UPDATES:-$updates}
save_often "$updates"
export SPLITS="${training_splits[*]} ${splits[*]}" VOCABULARY=$vocabulary MASKED=${masked:-1.0} # librispeech.sh's
training=(--task speech_to_text --config-yaml config.yaml --train-subset "$(IFS=,; echo "${training_splits[*]}")"
    --num-workers "$loaders" --valid-subset dev-clean --max-tokens-valid "$max_tokens" --arch cycle_shared_s2t_transformer
    --share-decoder-input-output-embed --conv-channels "$channels" --criterion label_smoothed_cross_entropy
    --label-smoothing 0.1 --optimizer adam --adam-betas '(0.9, 0.98)' --clip-norm 10.0 --lr "$lr"
    --lr-scheduler "$schedule" --warmup-updates "$warmup" --max-update "$updates"
    --save-interval-updates "$save_interval" --keep-interval-updates "$average" --no-epoch-checkpoints)
[ "$schedule" = inverse_sqrt ] || training+=(--total-num-update "$updates")

system() { # system NAME: train a system and compute its word error rates; each branch has the options of one kind
    case $1 in
        speech-vanilla) speech_model "$1" "$plain" "$plain" "${sizes[@]}" --layer-sharing none ;;
        speech-universal)
            speech_model "$1" "$plain" "$plain" "${wide[@]}" --layer-sharing cycle \
                --unique-encoder-layers 1 --unique-decoder-layers 1 ;;
        speech-sequence | speech-cycle | speech-cycle_rev)
            speech_model "$1" $((2 * encoder)) $((2 * decoder)) "${sizes[@]}" --layer-sharing "${1#speech-}" \
                --unique-encoder-layers "$encoder" --unique-decoder-layers "$decoder" ;;
        *) die "$1: no such system" ;;
    esac
    recognise "$1"
}

speech_model() { # speech_model SYSTEM ENCODER-LAYERS DECODER-LAYERS WIDTH FEED-FORWARD HEADS OPTIONS...
    train "$1" --encoder-layers "$2" --decoder-layers "$3" --encoder-embed-dim "$4" --encoder-ffn-embed-dim "$5" \
        --encoder-attention-heads "$6" --decoder-attention-heads "$6" "${@:7}"
}

recognise() { # recognise SYSTEM: decode every split and compute its word error rate
    local into split
    into=$(folder "$1")
    for split in "${splits[@]}"; do
        step "$into/$split" log_to "$into/$split.txt" on_device fairseq-generate "$bin" --user-dir "$plugin" --path "$(model "$1")" \
            --task speech_to_text --config-yaml config.yaml --gen-subset "$split" --max-tokens 50000 --beam 5 --scoring wer \
            ${device[@]+"${device[@]}"}
        step "$into/$split-wer" run_to "$into/$split.json" python -m recipes.common.printed_score wer "$into/$split.txt"
    done
}

systems=(speech-vanilla speech-universal speech-sequence speech-cycle speech-cycle_rev)
[ "$SCALE" != smoke ] || systems=(speech-universal speech-cycle_rev)
table_note=$training_time_note
[ "$SCALE" = paper ] || table_note+=" M and N are the paper's: here $plain layers for 6, $encoder and $decoder for 8 and 4."

bin=$work/speech/text
if [ "$SCALE" = small ]; then
    step "$work/speech/digits/made" run python -m recipes.common.data.spoken_digits "$work/speech/digits"
    SOURCE=$work/speech/digits CHECKSUMS=skip
fi
original_text "$bin"
each system "${systems[@]}"
table table4 params_millions='{system}/train:parameters / 1e6' \
    speed='{system}/train:words_per_second / speech-universal/train:words_per_second' \
    dev_clean='{system}/dev-clean:wer' dev_other='{system}/dev-other:wer' \
    test_clean='{system}/test-clean:wer' test_other='{system}/test-other:wer'
