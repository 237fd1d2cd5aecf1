"""Several ranks train like one process; a rank that dies ends the job; the job resumes on another number of ranks.

    python -m tests.campaigns.ranks --folder FOLDER [--updates 50] [--only word_kd,ddp,deaths,resumes]

Every criterion is trained on 1, 2 and 4 gloo ranks that see the same batches: all ranks must have the same parameters
to the last bit, and must log the same values as one process, to 1e-5. Then torch's DDP must train like fairseq's legacy
DDP on two ranks. FOLDER/ranks.json lists trials and failures. It takes minutes.
"""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import torch

import fairseq_flexdepth  # noqa: F401  (what torch's safe loader may read)
from tests.campaigns import jobs, rank_cases
from tests.campaigns.inputs import prepare
from tests.campaigns.record import Record, parser, table
from tests.campaigns.subjects import differences
from tests.integration import cli

WATCH = Path(__file__).with_name("rank_watch")
TOLERANCE = 1e-5
PATIENCE = 30  # seconds after which a job without one of its ranks counts as hanging
EVERY = 4  # batches per update, on any number of ranks
SMALL = ("--batch-size", 8)  # 25 batches, 7 updates per epoch


def train(words: Sequence[Any], folder: Path, ranks: int, backend: str = "legacy_ddp") -> str:
    """Train on so many ranks to the end; return the failure, if any."""
    running = start(words, folder, ranks, backend)
    return "; ".join(f"exit status {job.status()}: {jobs.last_line(job)}" for job in running if job.status())


def start(words: Sequence[Any], folder: Path, ranks: int, backend: str = "legacy_ddp") -> List[jobs.Job]:
    """Start all ranks; their records go to *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    watched = (*words, "--user-dir", WATCH)
    options = cli.rank_options(ranks, backend) if ranks > 1 else [[]]
    return [
        jobs.Job((*watched, *rank), folder / f"rank{number}.log", RANK_WATCH=str(folder))
        for number, rank in enumerate(options)
    ]


def parameters(folder: Path, rank: int = 0) -> Dict[str, Any]:
    """The parameters of a rank."""
    state = torch.load(str(folder / f"rank{rank}.pt"), map_location="cpu")
    return {f"{part}.{key}": value for part in state for key, value in cli.trained(state[part]).items()}


def largest_difference(first: Path, second: Path) -> float:
    """The largest difference between the parameters of two trainings."""
    a, b = parameters(first), parameters(second)
    return max(float((a[key].double() - b[key].double()).abs().max()) for key in a if a[key].is_floating_point())


def sums(folder: Path) -> Dict[Tuple[int, bool], Dict[str, float]]:
    """The sums that the ranks logged for each update, and for each validation over its batches."""
    found: Dict[Tuple[int, bool], Dict[str, float]] = {}
    for line in (folder / "rank0.jsonl").read_text(encoding="utf-8").splitlines():
        batch = json.loads(line)
        whole = found.setdefault((batch.pop("update"), batch.pop("valid")), {})
        for key, value in batch.items():
            whole[key] = whole.get(key, 0.0) + value
    return found


def largest_error(first: Path, second: Path) -> float:
    """The largest difference between the logs of two runs, per token or sentence; infinite if one lacks a line."""
    a, b = sums(first), sums(second)
    if any(when not in b or logged.keys() != b[when].keys() for when, logged in a.items()):
        return float("inf")
    return max(
        abs(value - b[when][key]) / max(abs(value), logged["size"])
        for when, logged in a.items() for key, value in logged.items()
    )  # fmt: skip


def compare(record: Record, name: str, case: rank_cases.Case, folder: Path, updates: int) -> None:
    """Compare one process with 2 and 4 ranks."""
    for ranks in (2, 4):
        if any(trial["ranks"] == ranks for trial in record.of(name, "ranks")):
            continue
        one, several = folder / f"one-for-{ranks}", folder / f"ranks-{ranks}"
        shutil.rmtree(folder, ignore_errors=True)
        options = ("--max-update", updates)
        lost = train((*case(one), *options, "--update-freq", ranks), one, 1)
        lost = lost or train((*case(several), *options), several, ranks)
        unequal: List[str] = []
        error = moved = float("nan")
        if not lost:
            first = parameters(several)
            unequal = [d for rank in range(1, ranks) for d in differences(first, parameters(several, rank), f"{rank}")]
            error, moved = largest_error(one, several), largest_difference(one, several)
            if not error <= TOLERANCE:
                lost = f"logged otherwise by {error:.2g}"
        record.add(
            subject=name, kind="ranks", ranks=ranks, updates=updates, unequal=unequal[:20], error=error, moved=moved,
            lost=lost or unequal[:20],
        )  # fmt: skip


def compare_backends(record: Record, name: str, case: rank_cases.Case, folder: Path, updates: int) -> None:
    """Compare torch's DDP with fairseq's legacy DDP on two ranks."""
    if record.of(name, "ddp"):
        return
    shutil.rmtree(folder, ignore_errors=True)
    legacy, torchs = folder / "legacy", folder / "torch"
    lost = ""
    for where, backend in ((legacy, "legacy_ddp"), (torchs, "pytorch_ddp")):
        lost = lost or train((*case(where), "--max-update", updates), where, 2, backend)
    error = moved = float("nan")
    if not lost:
        lost = "; ".join(differences(parameters(torchs), parameters(torchs, 1))[:20])
        error, moved = largest_error(legacy, torchs), largest_difference(legacy, torchs)
        if not error <= TOLERANCE:
            lost = lost or f"logged otherwise by {error:.2g}"
    record.add(subject=name, kind="ddp", updates=updates, error=error, moved=moved, lost=lost)


def die(record: Record, case: rank_cases.Case, folder: Path, number: int, how: int, heartbeat: int) -> None:
    """Kill or stop one of two ranks: the other must end, and the job must resume when it is started again."""
    name = f"rank {number}, {signal.Signals(how).name}, --heartbeat-timeout {heartbeat}"
    if record.of("deaths", name):
        return
    shutil.rmtree(folder, ignore_errors=True)
    words = (*case(folder), "--heartbeat-timeout", heartbeat, "--save-interval-updates", 5)
    running = start((*words, "--max-update", 100000), folder, 2)
    began = running[0].wait_for_line('"num_updates": "12"', 1)
    os.kill(running[number].pid, how)
    stricken, other = running[number], running[1 - number]
    from_then = other.seconds
    ended = other.wait(PATIENCE)
    seconds = other.seconds - from_then
    said = jobs.last_line(other) if ended else f"runs after {PATIENCE} seconds"
    status = other.status() if ended else None
    for job in (stricken, other):
        job.kill()
    again = train((*words, "--max-update", 30), folder, 2)
    again = again or "; ".join(differences(parameters(folder), parameters(folder, 1))[:20])
    lost = ("" if began and status else f"the other rank: {said}") or again
    record.add(subject="deaths", kind=name, seconds=seconds, status=status, said=said, again=again, lost=lost)


def resume(record: Record, case: rank_cases.Case, folder: Path, before: int, after: int, updates: int) -> None:
    """Stop within an epoch and resume on another number of ranks: the result must equal that of one process."""
    name = f"{before} -> {after}"
    if record.of("resumes", name):
        return
    shutil.rmtree(folder, ignore_errors=True)
    whole, parts = folder / "whole", folder / "parts"
    lost, at = "", updates // 2 // 7 * 7 + 5
    for where, ranks, until in ((whole, 1, updates), (parts, before, at), (parts, after, updates)):
        options = (*SMALL, "--update-freq", EVERY // ranks, "--max-update", until)
        lost = lost or train((*case(where), *options), where, ranks)
    moved = error = float("nan")
    if not lost:
        moved, error = largest_difference(whole, parts), largest_error(whole, parts)
        if not error <= TOLERANCE:
            lost = f"logged otherwise by {error:.2g}"
    record.add(subject="resumes", kind=name, at=at, updates=updates, error=error, moved=moved, lost=lost)


def report(record: Record) -> str:
    """Trials and failures, as Markdown."""
    trials = record.finish()["trials"]
    trained = [trial for trial in trials if trial["kind"] == "ranks"]
    deaths = [trial for trial in trials if trial["subject"] == "deaths"]
    resumed = [trial for trial in trials if trial["subject"] == "resumes"]
    backends = [trial for trial in trials if trial["kind"] == "ddp"]
    compared = ("logged sums", "parameters")
    return "\n\n".join([
        "Largest differences from one process that sees the same batches; lost: ranks unequal, or logged sums.",
        table(
            ("trained", "ranks", "updates", *compared, "lost"),
            [(t["subject"], t["ranks"], t["updates"], *_differences(t), bool(t["lost"])) for t in trained],
        ),
        table(
            ("torch's DDP, 2 ranks", "updates", *compared, "lost"),
            [(t["subject"], t["updates"], *_differences(t), bool(t["lost"])) for t in backends],
        ),
        table(
            ("ranks", "stopped after update", *compared, "lost"),
            [(t["kind"], f"{t['at']} of {t['updates']}", *_differences(t), bool(t["lost"])) for t in resumed],
        ),
        table(
            ("died", "seconds until the other ended", "its status", "goes on", "lost"),
            [(t["kind"], f"{t['seconds']:.1f}", t["status"], not t["again"], bool(t["lost"])) for t in deaths],
        ),
        record.where_and_when(),
    ])  # fmt: skip


def _differences(trial: Dict[str, Any]) -> Tuple[str, str]:
    return f"{trial['error']:.1g}", f"{trial['moved']:.1g}"


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--updates", type=int, default=50)
    options.add_argument("--ddp-updates", type=int, default=200)
    options.add_argument("--only", help="these criterions or models alone, ddp, deaths, resumes; separated by commas")
    args = options.parse_args()
    record = Record(args.folder / "ranks.json", {"updates": args.updates, "ddp_updates": args.ddp_updates})
    inputs, folder = prepare(args.folder / "inputs"), args.folder / "inputs"
    found = rank_cases.cases(inputs, folder)
    asked = args.only.split(",") if args.only else [*found, "ddp", "deaths", "resumes"]
    for name in asked:
        if name in found:
            compare(record, name, found[name], args.folder / name, args.updates)
    if "ddp" in asked:
        for name, case in {**found, **rank_cases.unused_layers(inputs)}.items():
            if name not in rank_cases.REFUSES_TORCHS_DDP:
                compare_backends(record, name, case, args.folder / name, args.ddp_updates)
    tied = found["tied_multi_cross_entropy"]
    if "deaths" in asked:
        for number in (1, 0):
            for how, heartbeat in ((signal.SIGKILL, -1), (signal.SIGKILL, 5), (signal.SIGSTOP, 5)):
                die(record, tied, args.folder / "deaths", number, how, heartbeat)
    if "resumes" in asked:
        for before, after in ((2, 1), (1, 2), (2, 4), (4, 2), (1, 4)):
            resume(record, tied, args.folder / "resumes", before, after, args.updates)
    print(report(record))


if __name__ == "__main__":
    main()
