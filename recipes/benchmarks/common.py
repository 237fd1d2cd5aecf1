"""What the benchmarks share: time and memory of this process, children that measure, the machine, result files."""

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

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
QUIET = 0.05  # the share of the machine that others may use during a call that counts


def add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: one a core)")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="folder to write to")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # what a child process is to measure


def progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def memory(device: str, peak: bool = False) -> int:
    """Bytes that this process holds, or the most it ever held: resident ones, on a GPU PyTorch's allocations."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage, whose peak is inherited from the process that started this one.
        return int(re.findall(rf"Vm{'HWM' if peak else 'RSS'}:\s*(\d+) kB", status.read_text())[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: bytes, and only the peak


class Timer:
    """Wall-clock seconds of repeated calls, and how busy *other* processes kept the machine meanwhile."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.seconds: List[float] = []
        self.other_load: List[float] = []  # the share of all cores that other processes used

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
        """Call *function* until *repeats* calls had the machine to themselves; their seconds.

        Another busy process can slow PyTorch's threads down many times over, since each waits for the slowest.
        After three times as many calls, those that were disturbed least are taken.
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
    """CPU seconds used by all processes since the machine started; 0 where there is no /proc."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system = map(int, stat.read_text().split("\n", 1)[0].split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """CPU seconds of this process and of its finished children."""
    return sum(os.times()[:4])


def in_child(module: str, measure: str, arguments: Sequence[str]) -> Dict[str, Any]:
    """Run ``python -m module --measure measure`` and return the JSON object it prints last."""
    command = [sys.executable, "-m", module, "--measure", measure, *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{module} --measure {measure}: failed with exit status {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def report(args: argparse.Namespace) -> Dict[str, Any]:
    """Where, with what and with which options the numbers were measured."""
    settings = {key: value for key, value in vars(args).items() if key not in ("results", "measure")}
    return {"machine": _machine(args.device, args.threads), "settings": settings}


def _machine(device: str, threads: int) -> Dict[str, Any]:
    return {
        **describe_machine(device == "cuda"),
        "threads": threads,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
    }


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def reached(value: float, bound: float, at_least: bool = False) -> str:
    """A target as measured: ``11.2 (target ≤ 12.6: reached)``."""
    good = value >= bound if at_least else value <= bound
    return f"{value:.3g} (target {'≥' if at_least else '≤'} {bound}: {'reached' if good else 'not reached'})"


def write_results(folder: Path, name: str, result: Dict[str, Any], markdown: str) -> None:
    """Write ``name.json`` and ``name.md``, whole or not at all, and print the table."""
    where = result["machine"]
    place = ", ".join(
        [f"{where['gpu'] or where['cpu']}", f"{where['cores']} cores, {where['threads']} threads"]
        + [f"{where['memory_gib']} GiB", f"Python {where['python']}", f"torch {where['torch']}"]
        + [where["fairseq"], where["date"]]
    )
    text = f"{markdown}\n\n{place}.\n"
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, content in (("json", json.dumps(result, indent=1) + "\n"), ("md", text)):
        temporary = folder / f".{name}.{suffix}.part"
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(folder / f"{name}.{suffix}")
    print(text)
