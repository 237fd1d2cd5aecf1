"""Shared by all benchmarks: options, time and memory of this process, child processes, result files."""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

import torch

from fairseq_flexdepth.cli.machine import describe_machine
from recipes.common.data.files import written_whole

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
QUIET = 0.05  # the largest share of the machine that other processes may use during a call that counts


def benchmark_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark; *description* is the module's docstring."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: one per core)")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="folder to write to")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # in a child process: the name of its measurement
    return parser


def progress(message: str) -> None:
    """Print a message to standard error at once."""
    print(message, file=sys.stderr, flush=True)


def memory(device: str, peak: bool = False) -> int:
    """Return the memory of this process in bytes, now or (*peak*) at most so far.

    On a CPU this is resident memory, on a GPU PyTorch's allocations.
    """
    if device == "cuda":
        return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would not do: its peak includes the parent process.
        return int(re.findall(rf"Vm{'HWM' if peak else 'RSS'}:\s*(\d+) kB", status.read_text())[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: bytes, and only the peak


class Timer:
    """Wall-clock seconds of repeated calls, and the load by other processes during each call.

    Args:
        device: ``cpu``, or ``cuda``, which is synchronised before and after each call.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.seconds: List[float] = []  # one entry per call
        self.other_load: List[float] = []  # one entry per call: the share of all cores that other processes used

    def __call__(self, function: Callable[[], Any]) -> Any:
        self._synchronise()
        busy, own, start = _busy_seconds(), _own_seconds(), time.perf_counter()
        result = function()
        self._synchronise()
        wall = time.perf_counter() - start
        others = _busy_seconds() - busy - (_own_seconds() - own)
        self.seconds.append(wall)
        self.other_load.append(round(max(0.0, others / wall / (os.cpu_count() or 1)), 3))
        return result

    def quiet_seconds(self, function: Callable[[], Any], warm_up: int, repeats: int, name: str) -> List[float]:
        """Return the seconds of *repeats* undisturbed calls of *function*.

        Another busy process slows PyTorch down many times over, since all its threads wait for the slowest one. So a
        call counts only if other processes used at most 5 % of the machine. After ``3 * repeats`` calls, the least
        disturbed ones are taken.

        Args:
            function: called without arguments.
            warm_up: calls before, which never count.
            repeats: number of calls that count.
            name: for the progress messages.
        """
        for call in range(warm_up + 3 * repeats):
            self(function)
            load = self.other_load[-1]
            kind = "warm-up, " if call < warm_up else "disturbed, " if load > QUIET else ""
            progress(f"{name}: {self.seconds[-1]:.3f} s ({kind}other processes {load:.0%})")
            if sum(load <= QUIET for load in self.other_load[warm_up:]) == repeats:
                break
        calls = sorted(zip(self.other_load[warm_up:], self.seconds[warm_up:]))[:repeats]
        self.other_load = [load for load, _ in calls]
        return [seconds for _, seconds in calls]

    def _synchronise(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def _busy_seconds() -> float:
    """Return the CPU seconds of all processes since the machine started; 0 where there is no /proc."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system = map(int, stat.read_text().split("\n", 1)[0].split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Return the CPU seconds of this process and of its finished child processes."""
    return sum(os.times()[:4])


def run(
    module: str,
    args: argparse.Namespace,
    names: Sequence[str],
    measure: Callable[[str, argparse.Namespace], Any],
    conclude: Callable[[Dict[str, Any], argparse.Namespace], None],
) -> None:
    """Run a benchmark: one child process per measurement, then the report.

    Args:
        module: the name of the benchmark's module, which the child processes run with the same arguments.
        args: the parsed options.
        names: the measurements.
        measure: measures one of them, in its child process; its result must fit into JSON.
        conclude: writes the report; it is given the results by name.
    """
    torch.set_num_threads(args.threads)
    os.environ["OMP_NUM_THREADS"] = str(args.threads)  # of the child processes, and of the commands that they run
    if args.measure:
        print(json.dumps(measure(args.measure, args)))
    else:
        conclude({name: _in_child(module, name, sys.argv[1:]) for name in names}, args)


def _in_child(module: str, measure: str, arguments: Sequence[str]) -> Dict[str, Any]:
    """Run ``python -m module --measure measure`` and return the JSON object that it prints last."""
    command = [sys.executable, "-m", module, "--measure", measure, *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{module} --measure {measure}: failed with exit status {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def report(args: argparse.Namespace) -> Dict[str, Any]:
    """Return the machine, the software and the options of a measurement, for its JSON file."""
    settings = {key: value for key, value in vars(args).items() if key not in ("results", "measure")}
    return {"machine": _machine(args.device, args.threads), "settings": settings}


def _machine(device: str, threads: int) -> Dict[str, Any]:
    return {
        **describe_machine(device == "cuda"),
        "threads": threads,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
    }


def page(settings: str, table: str, findings: Sequence[str] = ()) -> str:
    """Return a report as Markdown: the settings, the table, and a list of findings."""
    lines = [settings, "", table]
    return "\n".join([*lines, "", *(f"- {finding}" for finding in findings)] if findings else lines)


def reached(value: float, bound: float, at_least: bool = False) -> str:
    """Return a value and its target as text: ``11.2 (target ≤ 12.6: reached)``.

    Args:
        value: the measured value.
        bound: the target.
        at_least: the value must be at least the target; by default, at most.
    """
    good = value >= bound if at_least else value <= bound
    return f"{value:.3g} (target {'≥' if at_least else '≤'} {bound}: {'reached' if good else 'not reached'})"


def load_finding(loads: Sequence[float]) -> List[str]:
    """The greatest of the loads by other processes, as a finding; none for older results, which lack them."""
    return [f"other processes used at most {max(loads):.0%} of the machine during a command"] if loads else []


def write_results(folder: Path, name: str, result: Dict[str, Any], markdown: str) -> None:
    """Write ``NAME.json`` and ``NAME.md``, each whole or not at all, and print the Markdown."""
    where = result["machine"]
    place = ", ".join(
        [f"{where['gpu'] or where['cpu']}", f"{where['cores']} cores, {where['threads']} threads"]
        + [f"{where['memory_gib']} GiB", f"Python {where['python']}", f"torch {where['torch']}"]
        + [where["fairseq"], where["date"]]
    )
    text = f"{markdown}\n\n{place}.\n"
    for suffix, content in (("json", json.dumps(result, indent=1) + "\n"), ("md", text)):
        with written_whole(str(folder / f"{name}.{suffix}")) as output:
            output.write(content)
    print(text)
