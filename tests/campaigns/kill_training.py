"""``kill -9`` at random moments: the resumed run must end like an uninterrupted one, bit for bit.

    python -m tests.campaigns.kill_training --folder FOLDER [--kills 30] [--seed 1] [--only tied-multi,sweep]

Trainings of every kind and the sub-commands that decode for hours are killed with their children: at random moments,
and shortly after the log reports that a checkpoint is written or a validation begins. The same command then resumes;
when it finishes, its results are compared with those of the uninterrupted run, and the next one begins.
FOLDER/kill_training.json lists trials and failures; results that differ or cannot be resumed are kept as ``lost-*``.
"""

import random
import shutil
import time
from pathlib import Path
from typing import Any, Dict, Optional

import fairseq_flexdepth  # noqa: F401  (what torch's safe loader may read)
from tests.campaigns import jobs
from tests.campaigns.inputs import prepare
from tests.campaigns.record import Record, parser, table
from tests.campaigns.subjects import Subject, differences, subjects

AFTER_LINE = 0.06  # seconds after a line of the log within which to kill
LATEST = 4  # the number of lines of one kind to wait for, at most


class Killer:
    """Kill one subject repeatedly.

    Args:
        name: the name of the subject.
        subject: the command to kill.
        folder: the folder in which it runs.
        record: the trials, past and future.
        seed: the seed of the random moments.
    """

    def __init__(self, name: str, subject: Subject, folder: Path, record: Record, seed: int) -> None:
        self.name, self.subject, self.folder, self.record, self.seed = name, subject, folder, record, seed
        self.log = folder / "killed.log"
        self.expected = self._alone()

    def _alone(self) -> Dict[str, Any]:
        """The results of an uninterrupted run."""
        folder = self.folder / "alone"
        if not self.record.of(self.name, "alone"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            job = jobs.run(self.subject.words(folder), self.folder / "alone.log")
            self.record.add(subject=self.name, kind="alone", seconds=job.seconds)
        return self.subject.results(folder)

    def _seconds(self) -> float:
        """The seconds of the latest complete run: the load of the machine may change."""
        whole = [run for run in self.record.of(self.name, "end") if run.get("whole")]
        return (self.record.of(self.name, "alone") + whole)[-1]["seconds"]

    def kill(self, times: int) -> None:
        """Kill it so many times, then let it finish."""
        while len(self.record.of(self.name, "kill")) < times:
            self._once(len(self.record.of(self.name, "kill")))
        if (self.folder / "work").exists():
            self._once(None)

    def _once(self, number: Optional[int]) -> None:
        """Start it, and kill it unless it finishes before; then compare the results."""
        work = self.folder / "work"
        whole = not work.exists()
        work.mkdir(parents=True, exist_ok=True)
        job = jobs.Job(self.subject.words(work), self.log)
        if number is not None:
            moment = self._wait(job, number)
            if job.running():
                at = job.seconds
                job.kill()
                self.record.add(subject=self.name, kind="kill", moment=moment, seconds=at, after=jobs.last_line(job))
                return
        status, seconds = job.status(), job.seconds
        finished = status == 2 and "already; --overwrite" in job.printed()  # it was killed between its last two lines
        if status == 0 or finished:
            lost = differences(self.expected, self.subject.results(work))[:20]
        else:
            lost = [f"exit status {status}: {jobs.last_line(job)}"]
        self.record.add(subject=self.name, kind="end", whole=whole, seconds=seconds, lost=lost)
        if lost:
            kept = self.folder / f"lost-{len(self.record.of(self.name, 'end'))}"
            shutil.rmtree(kept, ignore_errors=True)
            work.rename(kept)
            shutil.copy(str(self.log), str(kept / "killed.log"))
        else:
            shutil.rmtree(work)

    def _wait(self, job: jobs.Job, number: int) -> str:
        """Wait for the moment of a kill; return its name."""
        draw = random.Random(f"{self.seed} {self.name} {number} {len(self.record.of(self.name, 'end'))}")
        moments = ("", *self.subject.moments)
        line = moments[number % len(moments)]
        if not line:
            job.wait(draw.uniform(0, self._seconds()))
            return "random"
        if job.wait_for_line(line, draw.randint(1, LATEST)):
            time.sleep(draw.uniform(0, AFTER_LINE))
        return line


def report(record: Record) -> str:
    """Trials and failures, as Markdown."""
    rows = []
    for name in dict.fromkeys(trial["subject"] for trial in record.finish()["trials"]):
        kills = [trial["moment"] for trial in record.of(name, "kill")]
        ends = record.of(name, "end")
        aimed = len(kills) - kills.count("random")
        rows.append((name, kills.count("random"), aimed, len(ends), sum(bool(end["lost"]) for end in ends)))
    heads = ("killed", "at random", "aimed", "runs finished and compared", "lost")
    return f"{table(heads, rows)}\n\n{record.where_and_when()}"


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--kills", type=int, default=30, help="of each subject")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", help="these subjects alone, separated by commas")
    args = options.parse_args()
    record = Record(args.folder / "kill_training.json", {"seed": args.seed})
    found = subjects(prepare(args.folder / "inputs"))
    for name in args.only.split(",") if args.only else found:
        folder = args.folder / name.replace(" ", "-")
        Killer(name, found[name], folder, record, args.seed).kill(args.kills)
    print(report(record))


if __name__ == "__main__":
    main()
