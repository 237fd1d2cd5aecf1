# shellcheck shell=bash
# How every recipe runs its commands: printed or run, logged, once, several at a time. Sourced.
#
# In the environment: DRY_RUN=1 prints every command and runs none; JOBS, how many systems are made at a time; SEEDS, how
# many times each is trained.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034  # for the recipes
plugin=$repository/fairseq_flexdepth
export PYTHONPATH=$repository${PYTHONPATH:+:$PYTHONPATH}

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

run() { # run COMMAND...: the command, or under DRY_RUN the line that would run it
    if [ -n "${DRY_RUN:-}" ]; then printf '%q ' "$@"; printf '\n'; else "$@"; fi
}

run_to() { # run_to FILE COMMAND...: as run, with what the command prints in FILE, whole or not at all
    local file=$1
    shift
    if [ -n "${DRY_RUN:-}" ]; then printf '%q ' "$@"; printf '> %q\n' "$file"; return; fi
    "$@" >"$file.part"
    mv "$file.part" "$file"
}

log_to() { # log_to FILE COMMAND...: as run_to, and what it writes to standard error after it
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

unless() { # unless FILE COMMAND...: run a command that refuses to run again, and writes FILE last
    if [ -n "${DRY_RUN:-}" ] || [ ! -e "$1" ]; then run "${@:2}"; fi
}

workers() { # how many processes prepare data: WORKERS, or one a processor (nproc heeds OMP_NUM_THREADS: not that)
    echo "${WORKERS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}"
}

# step NAME COMMAND...: a command that runs once. NAME.log is what it printed; NAME.command says from its start, and NAME.done
# from its end, which command it was. One that was interrupted runs again: it has to go on, or begin anew, by itself.
step() {
    local name=$1 status=0
    shift
    if [ -n "${DRY_RUN:-}" ]; then "$@"; return; fi
    mkdir -p "$(dirname "$name")"
    local lock
    exec {lock}>"$name.lock"
    flock --nonblock "$lock" || { say "$name: waiting for another run that is at it"; flock "$lock"; }
    if [ -e "$name.command" ] && [ "$(cat "$name.command")" != "$*" ]; then
        die "$name was begun by another command: remove $(dirname "$name"), or set WORK to another folder
  then: $(cat "$name.command")
  now:  $*"
    fi
    if [ ! -e "$name.done" ]; then
        say "$name"
        printf '%s\n' "$*" >"$name.command"
        # Not `if "$@"`: bash would then go on after an error inside a function.
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
each() { # each FUNCTION NAME...: FUNCTION NAME for every name and every seed, JOBS at a time; a failure stops none of the others
    local function=$1 name pid pids=() failed=0
    shift
    for name; do
        for seed in $(seq "${SEEDS:-1}"); do
            if [ -n "${DRY_RUN:-}" ]; then (take_slot; "$function" "$name"); continue; fi
            while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-1}" ]; do wait -n || true; done
            (take_slot; "$function" "$name") &
            pids+=($!)
        done
    done
    for pid in ${pids[@]+"${pids[@]}"}; do wait "$pid" || failed=1; done
    # shellcheck disable=SC2034  # for the functions called
    seed=1
    [ $failed = 0 ] || die "not all of these could be made: $*"
}

gpus=() # those to use, as CUDA_VISIBLE_DEVICES has them; the recipe sets it
mine=() # those of this process
take_share() { # take_share SLOT: this one of JOBS shares of $gpus is mine
    local share=$((${#gpus[@]} / ${JOBS:-1}))
    [ "$share" -gt 0 ] || share=1
    mine=("${gpus[@]:$1 * share % ${#gpus[@]}:share}")
    CUDA_VISIBLE_DEVICES=$(IFS=,; echo "${mine[*]}")
    export CUDA_VISIBLE_DEVICES
}

take_slot() { # one of JOBS shares of $gpus; held while this process lives
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
