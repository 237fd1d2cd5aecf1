#!/usr/bin/env bash
# Search for the hyper-parameters of the paper's depth classifier ([dabre2020] §4.2), one after the other: the best value
# of each is kept for the next ones. Layers and heads are compared by validation loss. α, β and λ are part of the loss,
# which therefore cannot compare them (a smaller λ or α makes it larger whatever was learned). They are compared by the
# value of the chosen depth pairs: their mean score minus COST · their relative time.
#
#   recipes/depth_selection/search.sh WORK_DIR
#
# WORK_DIR is that of multi30k.sh, with its labels. All trials go to WORK_DIR/search.md, the best options to
# WORK_DIR/search.best. An interrupted run resumes. Environment: LAYERS, HEADS, ALPHAS, BETAS, LAMBDAS, the values to try;
# COST; SEARCH_UPDATES, updates of each trial; DEVICE (--cpu, or empty for a GPU).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -eq 1 ] || { sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
work=$(cd "$1" && pwd) plugin=$here/../../fairseq_flexdepth tied=$1/tied-multi/checkpoint_last.pt
read -ra device <<<"${DEVICE---cpu}" # for selector.sh
updates=${SEARCH_UPDATES:-100} cost=${COST:-1}
# shellcheck source=recipes/depth_selection/selector.sh
source "$here/selector.sh"

declare -A chosen=([encoder-layers]=2 [encoder-attention-heads]=4 [selector-alpha]=1 [selector-beta]=1 [selector-lambda]=0.5)
report=$work/search.md
printf '| layers | heads | α | β | λ | loss | precision | recall | quality | cost |\n%s\n' \
    '| --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |' >"$report"

trial() { # trial OPTION VALUE: train with the best values so far and this one; print a number that is lower the better
    local -A values=()
    local option name=search options=()
    for option in "${!chosen[@]}"; do values[$option]=${chosen[$option]}; done
    values[$1]=$2
    for option in encoder-layers encoder-attention-heads selector-alpha selector-beta selector-lambda; do
        name+=-${values[$option]}
        options+=("--$option" "${values[$option]}")
    done
    paper "$name" "$updates" "${options[@]}" >&2
    local log=$work/$name/train.log
    { printf '| %s ' "${name#search-}" | sed 's/-/ | /g'
      for key in loss precision recall quality cost; do printf '| %.4f ' "$(best "$log" "$key")"; done
      echo '|'; } >>"$report"
    case $1 in
        selector-*) python -c 'import sys; print(float(sys.argv[1]) * float(sys.argv[2]) - float(sys.argv[3]))' \
            "$cost" "$(best "$log" cost)" "$(best "$log" quality)" ;;
        *) best "$log" loss ;;
    esac
}

search() { # search OPTION VALUE...: keep the best value
    local option=$1 lowest=inf value bad
    shift
    for value in "$@"; do
        bad=$(trial "$option" "$value")
        echo "--$option $value: $bad (lower is better)"
        if python -c 'import sys; sys.exit(not float(sys.argv[1]) < float(sys.argv[2]))' "$bad" "$lowest"; then
            lowest=$bad chosen[$option]=$value
        fi
    done
}

# shellcheck disable=SC2086  # lists of values
{
    search encoder-layers ${LAYERS:-1 2 4}
    search encoder-attention-heads ${HEADS:-2 4 8}
    search selector-alpha ${ALPHAS:-0 1 2}
    search selector-beta ${BETAS:-0.5 1 2}
    search selector-lambda ${LAMBDAS:-0.25 0.5 0.75 1}
}
for option in "${!chosen[@]}"; do echo "--$option ${chosen[$option]}"; done | sort >"$work/search.best"
cat "$report" "$work/search.best"
