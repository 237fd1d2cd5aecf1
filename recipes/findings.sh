#!/usr/bin/env bash
# The verdicts on the papers' findings: findings.sh [ID...] [OPTIONS]
#
# ID is a finding, such as dabre2020/3, or a paper; default: all. Without ID and options it also writes
# recipes/findings/findings.md and findings.png. Nothing is trained. OPTIONS: see findings.sh --help.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH=$repository${PYTHONPATH:+:$PYTHONPATH}
[ $# -gt 0 ] || set -- --output "$repository/recipes/findings/findings"
python -m recipes.findings.report "$@"
