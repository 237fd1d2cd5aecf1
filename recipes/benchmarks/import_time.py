"""Measure the time that ``--user-dir fairseq_flexdepth`` adds to ``fairseq-generate --help``.

    python -m recipes.benchmarks.import_time

The command runs with and without the option in turns; the median difference is reported. See
recipes/benchmarks/README.md.
"""

import os
import subprocess
import sys
from argparse import Namespace
from functools import partial
from statistics import median
from typing import Any, Dict, Sequence

from recipes.benchmarks import common
from recipes.common.markdown import markdown_table

TARGET = 0.3


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    parser.add_argument("--repeats", type=int, default=9, help="turns; the median of their differences is reported")
    return parser.parse_args()


def show_help(options: Sequence[str], *python_options: str) -> str:
    """Run the command and return its standard error.

    Raises:
        SystemExit: the command failed.
    """
    # Python keeps its compiled files, as it does by default.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, *python_options, "-m", "fairseq_cli.generate", "--help", *options]
    shown = subprocess.run(command, cwd=common.ROOT, env=environment, capture_output=True, text=True)
    if shown.returncode != 0 or not shown.stdout:
        raise SystemExit(f"{' '.join(command)}: exit status {shown.returncode}\n{shown.stderr}")
    return shown.stderr


def main() -> None:
    """Measure and write the report."""
    args = parse()
    plain, plugin = common.Timer(), common.Timer()
    turn = [(plain, []), (plugin, ["--user-dir", "fairseq_flexdepth"])]
    for _, options in turn:  # warm-up
        loads_plugin = "fairseq_flexdepth.models" in show_help(options, "-X", "importtime")
        assert loads_plugin == bool(options)
    for repeat in range(args.repeats):
        for timer, options in turn if repeat % 2 else turn[::-1]:
            timer(partial(show_help, options))
        common.progress(f"without {plain.seconds[-1]:.2f} s, with {plugin.seconds[-1]:.2f} s")
    added = median(after - before for before, after in zip(plain.seconds, plugin.seconds))
    result: Dict[str, Any] = {
        **common.report(args),
        "plain_seconds": plain.seconds,
        "plugin_seconds": plugin.seconds,
        "added_seconds": added,
        "other_load": median(plain.other_load + plugin.other_load),
    }
    rows = [
        ["`fairseq-generate --help`", f"{median(plain.seconds):.2f}"],
        ["`fairseq-generate --help --user-dir fairseq_flexdepth`", f"{median(plugin.seconds):.2f}"],
        ["added (median of the differences)", common.reached(added, TARGET)],
    ]
    markdown = common.page(f"Median of {args.repeats} turns.", markdown_table(["command", "seconds"], rows))
    common.write_results(args.results, f"import_time-{args.device}", result, markdown)


if __name__ == "__main__":
    main()
