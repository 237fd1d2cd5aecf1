# shellcheck shell=bash
# Functions that run a recipe's commands: print them or run them, log them, run each once, run several at a time. Sourced.
#
# Environment: DRY_RUN=1 prints all commands and runs none; JOBS, number of systems trained at the same time; SEEDS, number of
# seeds per system.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034  # for the recipes
plugin=$repository/fairseq_flexdepth
export PYTHONPATH=$repository${PYTHONPATH:+:$PYTHONPATH}

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

run() { # run COMMAND...: run a command; with DRY_RUN print it
    if [ -n "${DRY_RUN:-}" ]; then printf '%q ' "$@"; printf '\n'; else "$@"; fi
}

run_to() { # run_to FILE COMMAND...: run a command and write its output to FILE, whole or not at all
    local file=$1
    shift
    if [ -n "${DRY_RUN:-}" ]; then printf '%q ' "$@"; printf '> %q\n' "$file"; return; fi
    "$@" >"$file.part"
    mv "$file.part" "$file"
}

log_to() { # log_to FILE COMMAND...: as run_to, with standard error appended to the output
    local file=$1 status=0
    shift
    if [ -n "${DRY_RUN:-}" ]; then printf '%q ' "$@"; printf '> %q\n' "$file"; return; fi
    "$@" >"$file.part" 2>"$file.errors" || status=$?
    cat "$file.errors" >&2
    [ $status = 0 ] || return $status
    cat "$file.errors" >>"$file.part"
    rm "$file.errors"
    mv "$file.part" "$file"
}

unless() { # unless FILE COMMAND...: run a command unless FILE, which it writes last, exists
    if [ -n "${DRY_RUN:-}" ] || [ ! -e "$1" ]; then run "${@:2}"; fi
}

workers() { # print the number of processes that prepare data: WORKERS, or one per core (nproc would obey OMP_NUM_THREADS)
    echo "${WORKERS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}"
}

# step NAME COMMAND...: run a command once. NAME.log is its output; NAME.command, written at its start, is the command; NAME.done
# exists after its end. An interrupted command is run again: it must resume or start afresh by itself.
step() {
    local name=$1 status=0
    shift
    if [ -n "${DRY_RUN:-}" ]; then "$@"; return; fi
    mkdir -p "$(dirname "$name")"
    local lock
    exec {lock}>"$name.lock"
    flock --nonblock "$lock" || { say "$name: waiting for another process that runs this step"; flock "$lock"; }
    if [ -e "$name.command" ] && [ "$(cat "$name.command")" != "$*" ]; then
        die "$name was begun by another command: remove $(dirname "$name"), or set WORK to another folder
  then: $(cat "$name.command")
  now:  $*"
    fi
    if [ ! -e "$name.done" ]; then
        say "$name"
        printf '%s\n' "$*" >"$name.command"
        # not `if "$@"`: bash would then continue after an error inside a function
        set +e
        (set -e; "$@") >>"$name.log" 2>&1
        status=$?
        set -e
        [ $status = 0 ] || { tail -n 20 "$name.log" >&2; die "$name failed; its log: $name.log"; }
        touch "$name.done"
    fi
    exec {lock}>&-
}

seed=1
each() { # each FUNCTION NAME...: call FUNCTION NAME for every name and seed, JOBS at a time; a failure does not stop the others
    local function=$1 name pid pids=() failed=0
    shift
    for name; do
        for seed in $(seq "${SEEDS:-1}"); do
            if [ -n "${DRY_RUN:-}" ]; then
                set +e; (set -e; take_slot; "$function" "$name"); failed=$((failed + $?)); set -e
                continue
            fi
            while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-1}" ]; do wait -n || true; done
            (take_slot; "$function" "$name") &
            pids+=($!)
        done
    done
    for pid in ${pids[@]+"${pids[@]}"}; do wait "$pid" || failed=1; done
    # shellcheck disable=SC2034  # for the functions called
    seed=1
    [ $failed = 0 ] || [ -z "${DRY_RUN:-}" ] || exit 1 # each has printed its error
    [ $failed = 0 ] || die "not all of these could be made: $*"
}

gpus=() # the GPUs to use, as named in CUDA_VISIBLE_DEVICES; set by recipe.sh
mine=() # the GPUs of this process
take_share() { # take_share SLOT: use the GPUs of one of JOBS slots in this process
    local share=$((${#gpus[@]} / ${JOBS:-1}))
    [ "$share" -gt 0 ] || share=1
    mine=("${gpus[@]:$1 * share % ${#gpus[@]}:share}")
    CUDA_VISIBLE_DEVICES=$(IFS=,; echo "${mine[*]}")
    export CUDA_VISIBLE_DEVICES
}

take_slot() { # reserve one of JOBS shares of $gpus until this process ends
    local slots=${JOBS:-1} slot
    [ ${#gpus[@]} -gt 0 ] || return 0
    if [ -n "${DRY_RUN:-}" ]; then take_share 0; return; fi
    # shellcheck disable=SC2154  # the recipe sets work
    for slot in $(seq 0 $((slots - 1))); do
        exec {slot_lock}>"$work/.gpus-$slot.lock"
        if flock --nonblock "$slot_lock"; then
            take_share "$slot"
            return
        fi
        exec {slot_lock}>&-
    done
    die "no free share of the ${#gpus[@]} GPUs"
}
