"""Numbered tasks, here and in processes: results, errors, deaths."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deepgyro.errors import DeepGyroError
from deepgyro.lab.synthesis.workers import run_tasks_here, run_tasks_in_processes
from deepgyro.threads import core_count

PIECES = """
import os, signal, time
from pathlib import Path
from deepgyro.errors import DeepGyroError
from deepgyro.threads import core_count

def square(number, tick):
    for _ in range(number):
        tick(1)
    return number**2

def cores(number, tick):
    return core_count()

def die(number, tick):
    os.kill(os.getpid(), signal.SIGKILL if number else signal.SIGTERM)

def refuse(number, tick):
    raise DeepGyroError("the disk is full") if number else ValueError("a mistake")

class Slow:
    def __init__(self, folder):
        self.folder = Path(folder)

    def __call__(self, number, tick):
        part = self.folder / str(os.getpid())
        part.touch()
        try:
            while True:
                time.sleep(0.01)
                tick(1)
        finally:
            part.unlink()
"""


@pytest.fixture
def pieces(tmp_path, monkeypatch):
    """A module of pieces that other processes can import too."""
    name = f"pieces_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(PIECES)
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__(name)
    del sys.modules[name]


def work(work, numbers, workers):
    """Return the results in order, and how often was ticked."""
    ticks = []
    if workers == 1:
        results = run_tasks_here(work, numbers, ticks.append)
    else:
        results = run_tasks_in_processes(work, numbers, ticks.append, workers=workers)
    return sorted(results), sum(ticks)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_piece_is_done_once_however_many_work(pieces, workers):
    assert work(pieces.square, range(5), workers) == ([0, 1, 4, 9, 16], 10)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_piece_has_one_core(pieces, workers):
    before = core_count()

    assert work(pieces.cores, [0, 1], workers) == ([1, 1], 0)
    assert core_count() == before


@pytest.mark.parametrize(
    ("number", "how"), [(0, "ended by signal 15"), (1, "was killed, most often because")]
)
def test_a_worker_that_dies_ends_the_work_with_one_line(pieces, number, how):
    with pytest.raises(DeepGyroError, match=f"a worker {how}"):
        work(pieces.die, [number], 2)


def test_a_script_that_workers_run_again_is_told_what_it_needs(pieces, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"from {pieces.__name__} import square\n"
        "from deepgyro.lab.synthesis.workers import run_tasks_in_processes\n"
        "list(run_tasks_in_processes(square, range(9), lambda count: None, workers=2))\n"
    )

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert (
        "a worker ended with code 1 at its start (a script must call this under `if __name__ =="
        in done.stderr
    )


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("number", "error"), [(0, ValueError), (1, DeepGyroError)])
def test_what_goes_wrong_in_a_worker_goes_wrong_here(pieces, workers, number, error):
    with pytest.raises(error, match="a mistake" if error is ValueError else "the disk is full"):
        work(pieces.refuse, [number], workers)


@pytest.mark.parametrize("signals", [[signal.SIGKILL], [signal.SIGTERM], [signal.SIGSTOP, signal.SIGKILL]])
def test_workers_clean_up_and_end_when_nobody_listens_any_more(pieces, tmp_path, signals):
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"from {pieces.__name__} import Slow\n"
        "from deepgyro.lab.synthesis.workers import run_tasks_in_processes\n"
        f"list(run_tasks_in_processes(Slow({str(tmp_path)!r}), range(9), lambda count: None, workers=2))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    assert wait_for(lambda: len(numbers_in(tmp_path)) == 2)
    workers = numbers_in(tmp_path)

    for number in signals:
        parent.send_signal(number)
    parent.wait(10)

    assert wait_for(lambda: not numbers_in(tmp_path))
    assert wait_for(lambda: not any(is_running(pid) for pid in workers))


def numbers_in(folder):
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]


def is_running(pid):
    """Return whether a process is there, and not only its remains that nobody has collected."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False
