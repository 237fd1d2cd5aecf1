# shellcheck shell=bash
# shellcheck disable=SC2154  # recipe.sh and the recipes set what the functions read
# Batches: as many tokens per update on every number of GPUs, and the updates at which a training saves. Sourced by recipe.sh.

# save_often UPDATES...: lower $save_interval if trainings of so few updates would save fewer than $average checkpoints; then lower
# $log_interval, too, since the speed is the median of the logged intervals and validation follows each checkpoint.
#
# fairseq saves no checkpoint to average at an update that ends an epoch. If an interval of 20 updates is a multiple of an epoch's
# length (1, 2, 4, 5, 10 or 20), it never saves one. If the interval is prime and there is time for twice as many checkpoints, enough
# are saved, unless an epoch has one update or exactly those of the interval
save_often() {
    local updates
    for updates; do
        [ "$updates" -ge "$average" ] || die "UPDATES=$updates: expected at least $average, as many checkpoints are averaged"
        [ $((save_interval * average * 2)) -gt "$updates" ] || continue
        save_interval=$((updates / (2 * average)))
        [ "$save_interval" -gt 0 ] || save_interval=1
        while [ "$save_interval" -gt 1 ] && [ "$(factor "$save_interval")" != "$save_interval: $save_interval" ]; do
            save_interval=$((save_interval - 1))
        done
        # shellcheck disable=SC2034  # for fairseq_train
        log_interval=$((save_interval > 3 ? save_interval / 3 : 1))
    done
}

# split_batch BATCH MAX_TOKENS RANKS: set $batches, the options of fairseq-train for updates of BATCH tokens, or of "128 sentences",
# on this number of GPUs. At SCALE=paper it fails if an update would differ by more than 1 %, or if a GPU would get fewer than 1,024
# tokens: fairseq skips sentences that are longer than a batch
split_batch() {
    local whole=${1% sentences} most=$2 ranks=$3 frequency size unit=${batch_unit:-1}
    if [ "$whole" != "$1" ]; then
        frequency=1 size=$(((whole + ranks - 1) / ranks)) batches=(--batch-size "$size")
    else
        frequency=$(((whole + most * ranks - 1) / (most * ranks)))
        # shellcheck disable=SC2017  # rounded up to whole units
        size=$(((whole + frequency * ranks * unit - 1) / (frequency * ranks * unit) * unit))
        batches=(--max-tokens "$size" --update-freq "$frequency")
        [ "$SCALE" != paper ] || [ "$ranks" = 1 ] || [ "$size" -ge 1024 ] || return 1
    fi
    [ "$SCALE" != paper ] || [ $(((size * frequency * ranks - whole) * 100)) -le "$whole" ]
}

possible_ranks() { # possible_ranks BATCH MAX_TOKENS: print the numbers of GPUs, up to 8, on which an update has as many tokens
    local ranks batches
    for ranks in {1..8}; do if split_batch "$1" "$2" "$ranks"; then printf ' %s' "$ranks"; fi; done
}

# fairseq_train BIN FOLDER BATCH MAX_TOKENS OPTIONS...: run fairseq-train with BATCH tokens per update, accumulating batches of at
# most MAX_TOKENS as the number of GPUs requires; BATCH may also be "1024 sentences". If --save-interval-updates is among the
# OPTIONS, it alone decides when to save and to validate: some epochs have only 20 updates
fairseq_train() {
    local bin=$1 into=$2 batch=$3 max_tokens=$4 ranks=${#mine[@]} batches word previous='' interval=''
    local unit=' tokens' rule=', with at least 1024 tokens on each' intervals=()
    shift 4
    [ "$ranks" -gt 0 ] || ranks=1
    case $batch in *sentences) unit='' rule='' ;; esac
    split_batch "$batch" "$max_tokens" "$ranks" ||
        die "$batch$unit per update: not possible on $ranks GPUs within 1 %$rule; expected one of$(
            possible_ranks "$batch" "$max_tokens"): set GPUS or JOBS, since each training uses GPUS / JOBS of them"
    for word; do
        [ "$previous" != --save-interval-updates ] || interval=$word
        previous=$word
    done
    # --validate-interval-updates: fairseq does not validate after saving where an update ends an epoch
    [ -z "$interval" ] || intervals=(--save-interval 1000000 --validate-interval 1000000 --validate-interval-updates "$interval")
    on_device fairseq-train "$bin" --user-dir "$plugin" --save-dir "$into" ${device[@]+"${device[@]}"} \
        "${batches[@]}" ${intervals[@]+"${intervals[@]}"} --log-format json --log-interval "${log_interval:-100}" "$@"
}
