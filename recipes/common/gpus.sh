# shellcheck shell=bash
# The GPUs of a recipe, and the commands that need them. Sourced by recipe.sh, after run.sh.
#
# Environment: GPUS, their number (default: all, or those of CUDA_VISIBLE_DEVICES; 0: the CPU); FP16=1 or 0, whether GPUs compute in
# half precision (default: at SCALE=paper); LAUNCH, a command put before every command that needs a GPU (slurm.sh): GPUS is then
# the number of GPUs that it gives to each.
gpus=()   # the GPUs to use, as named in CUDA_VISIBLE_DEVICES, or else numbers
mine=()   # the GPUs of this process
device=() # options of fairseq's commands

find_gpus() { # set $GPUS, $gpus, $mine and $device
    local found=()
    case ${GPUS:-0} in *[!0-9]*) die "GPUS=$GPUS: expected a number" ;; esac
    case ${FP16:-} in '' | 0 | 1) ;; *) die "FP16=$FP16: expected 0 or 1" ;; esac
    if [ "${CUDA_VISIBLE_DEVICES+set}" = set ]; then
        [ "$CUDA_VISIBLE_DEVICES" = -1 ] || IFS=, read -ra found <<<"$CUDA_VISIBLE_DEVICES"
    else
        mapfile -t found < <(seq 0 $(($( (nvidia-smi -L 2>/dev/null || true) | wc -l) - 1)))
    fi
    [ -n "${GPUS:-}" ] || [ -z "${LAUNCH:-}" ] || [ ${#found[@]} -gt 0 ] ||
        die "LAUNCH=$LAUNCH: no GPU was found here; expected GPUS, the number of GPUs where trainings run"
    GPUS=${GPUS:-${#found[@]}}
    if [ "$GPUS" -gt ${#found[@]} ]; then
        [ -z "${CUDA_VISIBLE_DEVICES+set}" ] || [ -n "${LAUNCH:-}" ] ||
            die "GPUS=$GPUS: expected at most ${#found[@]}, those of CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES"
        mapfile -t found < <(seq 0 $((GPUS - 1)))
    fi
    gpus=(${found[@]+"${found[@]:0:GPUS}"}) mine=(${found[@]+"${found[@]:0:GPUS}"})
    [ "$GPUS" -gt 0 ] || device=(--cpu)
    if [ "${FP16:-0}" = 1 ] || { [ -z "${FP16:-}" ] && [ "$SCALE" = paper ]; }; then
        [ "$GPUS" = 0 ] || device+=(--fp16)
    fi
}

take_share() { # take_share SLOT: use the GPUs of one of JOBS slots in this process
    local share=$((${#gpus[@]} / ${JOBS:-1}))
    [ "$share" -gt 0 ] || share=1
    mine=("${gpus[@]:$1 * share % ${#gpus[@]}:share}")
    CUDA_VISIBLE_DEVICES=$(IFS=,; echo "${mine[*]}")
    export CUDA_VISIBLE_DEVICES
}

take_slot() { # wait for one of JOBS shares of $gpus, and reserve it until this process ends; with LAUNCH every job has its own GPUs
    local slots=${JOBS:-1} slot
    [ ${#gpus[@]} -gt 0 ] && [ -z "${LAUNCH:-}" ] || return 0
    if [ -n "${DRY_RUN:-}" ]; then take_share 0; return; fi
    while true; do
        for slot in $(seq 0 $((slots - 1))); do
            # shellcheck disable=SC2154  # the recipe sets work
            if claim "$work/.gpus-${HOSTNAME:-}-$(IFS=,; echo "${gpus[*]}")-$slot"; then
                take_share "$slot"
                return
            fi
        done
        sleep 2
    done
}

on_device() { # on_device COMMAND...: run a command where the GPUs are
    # shellcheck disable=SC2086  # LAUNCH has several words
    run ${LAUNCH:-} "$@"
}

# in_shards LOG COMMAND...: run a command that accepts --num-shards with one shard per GPU. The number of shards is kept, also if the
# number of GPUs changes. Not within `each`, which has assigned the GPUs already
in_shards() {
    local log=$1 shards=$((GPUS > 1 ? GPUS : 1))
    shift
    if [ -z "${DRY_RUN:-}" ]; then
        [ -e "$log.shards" ] || echo "$shards" >"$log.shards"
        shards=$(cat "$log.shards")
    fi
    if [ "$shards" = 1 ]; then
        on_device "$@" --num-shards 1 # whatever the environment says
    else
        # shellcheck disable=SC2154  # recipe.sh sets common
        on_device bash "$common/shards.sh" "$shards" "$GPUS" "$log" "$@"
    fi
}
