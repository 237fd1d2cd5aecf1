# shellcheck shell=bash
# Functions that run a recipe's commands: print them or run them, log them, run each once, run several at a time. Sourced.
#
# Environment: DRY_RUN=1 prints all commands and runs none (DRY_RUN=steps: with a line before and after each step, for plan.py); JOBS, number
# of systems trained at the same time; SEEDS, number of seeds per system.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034  # for the recipes
plugin=$repository/fairseq_flexdepth
export PYTHONPATH=$repository${PYTHONPATH:+:$PYTHONPATH}
# shellcheck source=recipes/common/claims.sh
source "$repository/recipes/common/claims.sh"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

run() { # run COMMAND...: run a command; with DRY_RUN print it
    if [ -n "${DRY_RUN:-}" ]; then printf '%q ' "$@"; printf '\n'; else "$@"; fi
}

print_to() { # print_to FILE COMMAND...: print a command, or a call of on_device, and the file of its output
    local file=$1
    shift
    [ "$1" = on_device ] || set -- run "$@"
    printf '%s> %q\n' "$("$@")" "$file"
}

run_to() { # run_to FILE COMMAND...: run a command and write its output to FILE, whole or not at all
    local file=$1
    shift
    if [ -n "${DRY_RUN:-}" ]; then print_to "$file" "$@"; return; fi
    "$@" >"$file.part"
    mv "$file.part" "$file"
}

log_to() { # log_to FILE COMMAND...: as run_to, with standard error appended to the output
    local file=$1 status=0
    shift
    if [ -n "${DRY_RUN:-}" ]; then print_to "$file" "$@"; return; fi
    "$@" >"$file.part" 2>"$file.errors" || status=$?
    cat "$file.errors" >&2
    [ $status = 0 ] || return $status
    cat "$file.errors" >>"$file.part"
    rm "$file.errors"
    mv "$file.part" "$file"
}

unless() { # unless FILE COMMAND...: call a function that runs a command unless FILE, which it writes last, exists
    if [ -n "${DRY_RUN:-}" ] || [ ! -e "$1" ]; then "${@:2}"; fi
}

workers() { # print the number of processes that prepare data: WORKERS, or one per core (nproc would obey OMP_NUM_THREADS)
    echo "${WORKERS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}"
}

# step NAME COMMAND...: run a command once. NAME.log is its output; NAME.command, written at its start, is the command; NAME.done
# exists after its end. An interrupted command is run again: it must resume or start afresh by itself. Of several processes one runs
# it, the others wait, or, within `each`, turn to another system first.
declare -A chosen_steps=() # with ONLY: the steps to run (recipe.sh)
later=                     # within `each`: whether a system whose step another process runs may wait
LATER_STATUS=75            # the exit status then
step() {
    local name=$1 said='' status=0 renewal
    shift
    [ -z "${ONLY:-}" ] || [ -n "${chosen_steps[$name]:-}" ] || return 0
    case ${DRY_RUN:-} in
        '') ;;
        steps) printf ': step %q\n' "$name"; "$@"; printf ': end\n'; return ;;
        *) "$@"; return ;;
    esac
    mkdir -p "$(dirname "$name")"
    same_command "$name" "$@"
    [ ! -e "$name.done" ] || return 0
    until claim "$name"; do
        [ -n "$said" ] || say "$name: $(holder "$name") runs this step"
        said=1
        [ -z "$later" ] || exit $LATER_STATUS
        sleep 2
    done
    if [ ! -e "$name.done" ]; then
        say "$name"
        portable "$@" >"$name.command.part"
        mv "$name.command.part" "$name.command"
        renew "$name" "$BASHPID" &
        renewal=$!
        # not `if "$@"`: bash would then continue after an error inside a function
        set +e
        (set -e; "$@") >>"$name.log" 2>&1
        status=$?
        set -e
        kill "$renewal"
        wait "$renewal" 2>/dev/null || true
        [ $status != 0 ] || touch "$name.done"
    fi
    release "$name"
    [ $status = 0 ] || { tail -n 20 "$name.log" >&2; die "$name failed; its log: $name.log"; }
}

portable() { # portable COMMAND...: print a command on one line; WORK and REPOSITORY stand for folders that may move
    set -- "${@//"${work:-/nowhere}"/WORK}"
    printf '%q ' "${@//"$repository"/REPOSITORY}"
}

same_command() { # same_command NAME COMMAND...: end the recipe if a step was begun by a command with another result
    local name=$1 now
    [ -e "$name.command" ] || return 0
    now=$(portable "${@:2}")
    [ "$(cat "$name.command")" != "$now" ] || return 0
    python -m recipes.common.identity "$name" "$now" || exit 1
}

seed=1
# each FUNCTION NAME...: call FUNCTION NAME for every name and seed, JOBS at a time; a failure does not stop the others. Systems that
# other processes are making come last
each() {
    local function=$1 name pid pids=() failed=0 postponed=() status
    local -A called=()
    shift
    for name; do
        for seed in $(seq "${SEEDS:-1}"); do
            if [ -n "${DRY_RUN:-}" ]; then
                set +e; (set -e; take_slot; "$function" "$name"); failed=$((failed + $?)); set -e
                continue
            fi
            call later
        done
    done
    for pid in ${pids[@]+"${pids[@]}"}; do
        status=0
        wait "$pid" || status=$?
        case $status in 0) ;; "$LATER_STATUS") postponed+=("${called[$pid]}") ;; *) failed=1 ;; esac
    done
    pids=()
    for pid in ${postponed[@]+"${postponed[@]}"}; do
        name=${pid% *} seed=${pid##* }
        call ''
    done
    for pid in ${pids[@]+"${pids[@]}"}; do wait "$pid" || failed=1; done
    # shellcheck disable=SC2034  # for the functions called
    seed=1
    [ $failed = 0 ] || [ -z "${DRY_RUN:-}" ] || exit 1 # each has printed its error
    [ $failed = 0 ] || die "not all of these could be made: $*"
}

call() { # call WHEN: a part of `each`, with its variables: call $function $name in the background as soon as a job is free
    while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-1}" ]; do wait -n || true; done
    (later=$1; take_slot; "$function" "$name") &
    pids+=($!)
    called[$!]="$name $seed"
}
