# shellcheck shell=bash
# Claims: a process claims a name, so that no other process, on this machine or on another one that shares the folder, has it at
# the same time. Sourced by run.sh.
#
# NAME.claim contains host, process and the time when the process started. flock would not do: on some shared file systems a
# lock holds on one machine only. A claim is stale if its process no longer runs here, or, on another machine, if nobody has
# renewed it for CLAIM_SECONDS.
CLAIM_SECONDS=600

# processes of two containers may have the same number
this_host="${HOSTNAME:-$(uname -n)}/$(readlink /proc/self/ns/pid 2>/dev/null || true)"

started() { # started PROCESS: print when a process of this machine started; nothing if it does not run, or is a zombie
    local status fields
    if [ -d /proc/self ]; then
        status=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
        read -ra fields <<<"${status##*) }" # after the name, which may contain spaces
        [ "${fields[0]}" = Z ] || echo "${fields[19]}"
    else
        ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' '_' || true
    fi
}

claim() { # claim NAME: claim it for this process (BASHPID); fail if another running process has it
    local process=$BASHPID found status=1
    local own=$1.claim.$process
    printf '%s %s %s\n' "$this_host" "$process" "$(started "$process")" >"$own"
    # a hard link is made whole or not at all, by one process only, on shared file systems, too
    if ln "$own" "$1.claim" 2>/dev/null; then
        status=0
    elif found=$(cat "$1.claim" 2>/dev/null) && stale "$1.claim" "$own" "$found" && mkdir "$1.claim.stale" 2>/dev/null; then
        # this process alone may replace the stale claim, unless another one has done so already
        if [ "$(cat "$1.claim" 2>/dev/null)" = "$found" ]; then mv -f "$own" "$1.claim" && status=0; fi
        rmdir "$1.claim.stale"
    elif [ -n "$(find "$1.claim.stale" -maxdepth 0 -mmin +1 2>/dev/null)" ]; then
        rmdir "$1.claim.stale" 2>/dev/null || true # its process was killed while it replaced the claim
    fi
    rm -f "$own"
    return $status
}

stale() { # stale CLAIM NEW-FILE CONTENT: whether the process that made a claim has ended; NEW-FILE tells the file system's time
    local host process start
    read -r host process start <<<"$3"
    if [ "$host" = "$this_host" ]; then
        [ "$(started "$process")" != "$start" ]
    else
        [ $(($(stat -c %Y "$2") - $(stat -c %Y "$1" 2>/dev/null || stat -c %Y "$2"))) -gt $CLAIM_SECONDS ]
    fi
}

holder() { # holder NAME: print who has claimed it
    local host process
    read -r host process _ <"$1.claim" 2>/dev/null || true
    printf 'process %s on %s' "${process:-unknown}" "${host%%/*}"
}

release() { # release NAME: give up a claim of this process
    rm -f "$1.claim"
}

renew() { # renew NAME OWNER: renew the claim of a process until it ends or this one is killed; to be run in the background
    local pause
    trap 'kill ${pause:+"$pause"}; exit 0' TERM
    exec </dev/null >/dev/null 2>&1
    while [ -n "$(started "$2")" ]; do
        touch -c "$1.claim"
        sleep $((CLAIM_SECONDS / 5)) &
        pause=$!
        wait "$pause"
    done
}
