"""Data sets: the same bytes whoever makes them and however often they are killed."""

import errno
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from deepgyro.cli import main
from deepgyro.errors import DeepGyroError
from deepgyro.lab.synthesis import (
    PAPER_PRESET,
    PHYSICAL_PRESET,
    make_dataset,
    make_pair_at,
    open_pool,
    pack_pair,
    read_shard,
    unpack_pair,
)
from deepgyro.lab.synthesis import spec as spec_module
from deepgyro.lab.synthesis.samples import SAMPLES_VERSION
from deepgyro.lab.synthesis.shards import write_shard
from deepgyro.lab.synthesis.spec import _processor_class

SIZE = {"height": 64, "width": 80}
JOB = {"count": 10, "seed": 5, "shard_size": 4, "workers": 1, **SIZE}


def contents(folder):
    """Return all files of a folder, hidden ones too, with their bytes."""
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


@pytest.fixture
def make(material, tmp_path):
    """Make a data set in a folder of this name."""

    def make(name="set", *, pool=material.pool, config=PHYSICAL_PRESET, **options):
        return make_dataset(pool, config, out=tmp_path / name, **(JOB | options))

    return make


@pytest.fixture(scope="session")
def whole(material, tmp_path_factory):
    """The files of the data set that `make` makes, made in one go."""
    out = tmp_path_factory.mktemp("whole") / "set"
    make_dataset(material.pool, PHYSICAL_PRESET, out=out, **JOB)
    return contents(out)


# ---- what is in it


def test_a_data_set_is_shards_that_webdataset_streams_and_a_manifest(make, whole, tmp_path):
    progress = []

    report = make(progress=progress.append)

    files = contents(tmp_path / "set")
    shards = [f"shard-{number:06d}.tar" for number in range(3)]
    assert list(files) == ["dataset.json", "manifest.json", *shards]
    assert files == whole
    assert (report.pairs, report.shards, report.made) == (10, 3, 10)
    assert report.bytes == sum(len(files[name]) for name in shards)
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0, 10)
    with tarfile.open(tmp_path / "set/shard-000001.tar") as tar:
        members = tar.getmembers()
    assert [member.name.partition(".")[0] for member in members] == [
        f"{index:08d}" for index in range(4, 8) for _ in range(4)
    ]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}


def test_the_samples_of_a_data_set_are_the_pairs_of_its_seed(make, material, tmp_path):
    make(config=PAPER_PRESET)

    samples = [sample for path in sorted((tmp_path / "set").glob("*.tar")) for sample in read_shard(path)]
    assert [index for index, _ in samples] == list(range(10))
    for index, files in samples:
        assert files == pack_pair(make_pair_at(material.pool, PAPER_PRESET, 5, index, **SIZE))
    np.testing.assert_array_equal(
        unpack_pair(samples[3][1]).sharp, make_pair_at(material.pool, PAPER_PRESET, 5, 3, **SIZE).sharp
    )


def test_the_manifest_says_what_the_set_was_made_of_and_what_it_holds(make, material, tmp_path):
    make()

    job = json.loads((tmp_path / "set/dataset.json").read_text())
    manifest = json.loads((tmp_path / "set/manifest.json").read_text())
    assert manifest["job"] == job
    assert (job["seed"], job["count"], job["shard_size"]) == (5, 10, 4)
    assert job["photos"] == {
        path.name: sha256(path.read_bytes()).hexdigest() for path in material.photos.iterdir()
    }
    assert set(job["logs"]) == {"0.csv", "1.csv"}
    assert {"deepgyro", "numpy", "numba", "opencv"} <= set(job["versions"])
    for shard, samples in zip(manifest["shards"], (4, 4, 2), strict=True):
        content = (tmp_path / "set" / shard["name"]).read_bytes()
        assert shard == {
            "name": shard["name"],
            "size": len(content),
            "samples": samples,
            "sha256": sha256(content).hexdigest(),
        }


# ---- the same bytes


def test_two_workers_make_the_same_bytes(make, whole, tmp_path):
    make(workers=2)

    assert contents(tmp_path / "set") == whole


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ray_makes_the_same_bytes(make, whole, tmp_path):
    pytest.importorskip("ray")
    progress = []

    report = make(ray="local", workers=2, progress=progress.append)

    assert contents(tmp_path / "set") == whole
    assert report.made == progress[-1] == 10


@pytest.mark.parametrize("prefix", ["", "ray://"])
def test_where_no_cluster_is_the_old_set_is_kept(make, whole, tmp_path, prefix):
    pytest.importorskip("ray")
    make()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"{prefix}127.0.0.1:{nobody.getsockname()[1]}"  # bound, but it does not listen
        with pytest.raises(DeepGyroError) as error:
            make(ray=address, seed=6, overwrite=True)

    assert str(error.value).startswith(f"--ray {address}: no cluster there (")
    assert "\n" not in str(error.value)
    assert contents(tmp_path / "set") == whole


def test_a_set_that_was_interrupted_is_continued(make, whole, tmp_path):
    class Enough(Exception):
        pass

    def enough(done):
        if done == 6:
            raise Enough

    with pytest.raises(Enough):
        make(progress=enough)
    files = contents(tmp_path / "set")
    (tmp_path / "set/.shard-000001.tar.01234567.part").write_bytes(b"of a worker that was killed")
    (tmp_path / "set/.manifest.json.01234567.part").write_bytes(b"")
    progress = []
    report = make(progress=progress.append)

    assert list(files) == ["dataset.json", "shard-000000.tar"]
    assert (report.made, progress[0], progress[-1]) == (6, 4, 10)
    assert contents(tmp_path / "set") == whole


def test_a_finished_set_stays_unchanged_and_a_lost_shard_is_made_again(make, whole, tmp_path):
    make()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").iterdir()}

    again = make()
    (tmp_path / "set/shard-000001.tar").unlink()
    mended = make(workers=2)

    assert (again.made, mended.made) == (0, 4)
    assert contents(tmp_path / "set") == whole
    path = tmp_path / "set/shard-000002.tar"
    assert path.stat().st_mtime_ns == times[path]


# ---- what is refused


OTHER_JOBS = {
    "seed": ({"seed": 6}, "holds another data set (seed: 5 there, 6 here)"),
    "count": ({"count": 11}, "(count: 10 there, 11 here)"),
    "size": ({"height": 48, "shard_size": 5}, "(height: 64 there, 48 here; shard_size: 4 there, 5 here)"),
    "preset": ({"config": PAPER_PRESET}, "holds another data set ("),
}


@pytest.mark.parametrize(("options", "fragment"), OTHER_JOBS.values(), ids=OTHER_JOBS)
def test_another_job_in_the_folder_is_refused_without_overwrite(make, whole, tmp_path, options, fragment):
    make()

    with pytest.raises(DeepGyroError) as error:
        make(**options)
    kept = contents(tmp_path / "set")
    make(**options, overwrite=True)
    make("fresh", **options)

    assert fragment in str(error.value)
    assert "give another --out, or --overwrite" in str(error.value)
    assert kept == whole
    assert contents(tmp_path / "set") == contents(tmp_path / "fresh")


def test_other_photos_or_logs_are_another_job(make, material):
    make()
    photos, logs = sorted(material.photos.iterdir()), sorted(material.logs.iterdir())

    for pool, fragment in (
        (open_pool(photos[:2], logs, **SIZE), "(photos: 3 there, 2 here, c.png is not the same)"),
        (open_pool(photos, logs[1:], **SIZE), "(logs: 2 there, 1 here, 0.csv is not the same)"),
    ):
        with pytest.raises(DeepGyroError) as error:
            make(pool=pool)
        assert fragment in str(error.value)


def test_a_set_of_other_versions_is_not_continued(make, tmp_path):
    make(count=4)
    path = tmp_path / "set/dataset.json"
    job = json.loads(path.read_text())
    now = job["versions"]["numpy"]
    path.write_text(json.dumps(job | {"versions": job["versions"] | {"numpy": "1.0"}}))

    with pytest.raises(DeepGyroError) as error:
        make(count=4)

    assert f"was begun with other versions (numpy: 1.0 there, {now} here), whose pairs may differ" in str(
        error.value
    )


@pytest.mark.parametrize(
    ("what", "now", "attribute", "changed"),
    [
        ("samples", SAMPLES_VERSION, "SAMPLES_VERSION", "another"),
        ("processor", _processor_class(), "_processor_class", lambda: "another"),
    ],
)
def test_a_set_of_other_samples_or_another_class_of_processor_is_not_continued(
    make, monkeypatch, what, now, attribute, changed
):
    make(count=4)

    monkeypatch.setattr(spec_module, attribute, changed)

    with pytest.raises(DeepGyroError) as error:
        make(count=4)
    assert f"was begun with other versions ({what}: {now} there, another here)" in str(error.value)


def test_the_class_of_processor_is_named_as_a_message_needs_it():
    assert _processor_class() in ("x86_64 with FMA", "x86_64 without FMA", "aarch64")


def test_shards_without_a_spec_are_refused(make, tmp_path):
    make()
    (tmp_path / "set/dataset.json").unlink()

    with pytest.raises(DeepGyroError, match=r"holds shards, but no dataset\.json"):
        make()


@pytest.mark.parametrize("damage", [lambda content: content[:9000], lambda content: b"dear diary" * 60])
def test_a_damaged_shard_is_refused(make, tmp_path, damage):
    make()
    shard = tmp_path / "set/shard-000001.tar"
    shard.write_bytes(damage(shard.read_bytes()))

    with pytest.raises(DeepGyroError, match=r"shard-000001\.tar: is damaged"):
        make()


@pytest.mark.parametrize("blocks_kept", [0, 1])
def test_a_shard_that_was_cut_behind_its_last_member_is_refused(make, tmp_path, blocks_kept):
    make()
    shard = tmp_path / "set/shard-000001.tar"
    with tarfile.open(shard) as tar:
        tar.getmembers()
        end = tar.offset
    (tmp_path / "set/manifest.json").unlink()
    shard.write_bytes(shard.read_bytes()[: end + 512 * blocks_kept])

    with pytest.raises(DeepGyroError, match=r"shard-000001\.tar: is damaged"):
        list(read_shard(shard))
    with pytest.raises(DeepGyroError, match=r"shard-000001\.tar: is damaged"):
        make()


def test_a_shard_of_other_samples_is_refused(make, tmp_path):
    make()
    shard = tmp_path / "set/shard-000001.tar"
    write_shard(shard, [(9, {"json": b"{}"})])

    with pytest.raises(DeepGyroError, match="is damaged or of another data set"):
        make()


def test_two_runs_do_not_work_in_one_folder(make, tmp_path):
    def second(done):
        if done == 2:
            make()

    with pytest.raises(DeepGyroError, match="set: another run is at work there"):
        make(progress=second)


@pytest.mark.parametrize("name", ["count", "seed", "height", "width", "shard_size", "workers"])
def test_a_number_too_small_is_the_callers_mistake(make, name):
    with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} is -1; at least"):
        make(**{name: -1})


# ---- disk, death, interruption


def test_a_full_disk_leaves_what_is_finished_and_one_line(make, whole, tmp_path, monkeypatch):
    real, calls = os.fsync, Counter()

    def full(fd):
        calls["fsync"] += 1
        if calls["fsync"] > 4:  # two for each file: itself and its folder
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DeepGyroError) as error:
        make()
    left = list(contents(tmp_path / "set"))
    monkeypatch.undo()
    make()

    assert "shard-000001.tar: not written, the disk is full; make room and run the command again" in str(
        error.value
    )
    assert left == ["dataset.json", "shard-000000.tar"]
    assert contents(tmp_path / "set") == whole


def command(material, out, *, workers=1, count=10, shard_size=4):
    return [
        *(sys.executable, "-m", "deepgyro", "synth", str(material.photos), "--gyro", str(material.logs)),
        *("--out", str(out), "--count", str(count), "--seed", "5", "--shard-size", str(shard_size)),
        *("--height", "64", "--width", "80", "--workers", str(workers)),
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_write_that_fails_in_a_worker_ends_in_one_line(material, whole, tmp_path, workers):
    out = tmp_path / "set"

    done = subprocess.run(
        command(material, out, workers=workers),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)),  # bytes
    )

    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert line.startswith(f"error: {out}/shard-00000")
    assert "tar: not written, the disk is full" in line
    assert list(contents(out)) == ["dataset.json"]
    assert main(command(material, out)[3:]) == 0
    assert contents(out) == whole


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interruption_keeps_what_is_finished(material, tmp_path, workers):
    out = tmp_path / "set"
    process = subprocess.Popen(
        command(material, out, workers=workers, count=100_000, shard_size=8),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: list(out.glob("shard-*.tar")))

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all
    stdout, stderr = process.communicate(timeout=10)

    assert (process.returncode, stdout) == (130, "")
    assert stderr == "stopped: what was finished is kept; the same command goes on from there\n"
    assert not list(out.glob(".*"))


def test_a_set_that_was_killed_twenty_times_is_the_same_as_one_that_was_not(material, tmp_path):
    job = {"count": 480, "shard_size": 6}
    out, uninterrupted = tmp_path / "set", tmp_path / "uninterrupted"
    rng = random.Random(0)
    in_a_shard = 0
    for run in range(20):
        process = subprocess.Popen(command(material, out, workers=1 + (run % 3 == 0), **job))
        if run % 4 == 1:
            in_a_shard += killed_after(process, out, wait=rng.uniform(0.0, 0.6))  # s: while it starts
        else:
            in_a_shard += killed_after(process, out, shards=rng.randint(0, 2), wait=rng.uniform(0.0, 0.05))
        if run % 6 == 0:
            time.sleep(0.2)  # else the next run may find workers that were left over
    shards = len(list(out.glob("shard-*")))

    for folder in (out, uninterrupted):
        subprocess.run(command(material, folder, workers=2, **job), check=True)

    assert in_a_shard >= 5
    assert 10 <= shards < 80
    assert contents(out) == contents(uninterrupted)
    assert len(contents(out)) == 82


def killed_after(process, out, *, wait, shards=None):
    """Kill a run some time after it finished some more shards; return whether it was amid one."""
    before = set(out.glob(".shard-*")) | set(out.glob("shard-*"))
    if shards is not None:
        wait_for(lambda: set(out.glob(".shard-*")) - before)
        wait_for(lambda: len(set(out.glob("shard-*")) - before) >= shards)
    time.sleep(wait)
    process.kill()
    process.wait()
    return bool(set(out.glob(".shard-*")) - before)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.002)


# ---- the command


def test_the_command_makes_a_set_and_reports_it(material, whole, tmp_path, capfd):
    out = tmp_path / "set"

    code = main(command(material, out)[3:])

    text, errors = capfd.readouterr()
    assert (code, errors) == (0, "")
    assert text.startswith(f"{out}  10 pairs, shards: 3, 0.")
    assert text.endswith(" pairs a second\n")
    assert contents(out) == whole


def test_the_command_draws_a_preview_and_replaces_a_former_one(material, tmp_path, capfd):
    arguments = [*command(material, tmp_path / "set")[3:], "--preview", str(tmp_path / "look.png")]
    codes = []

    for _ in range(2):
        codes.append(main(arguments))
        lines = capfd.readouterr().out.splitlines()

    assert codes == [0, 0]
    assert lines[1:] == [str(tmp_path / "look.png"), str(tmp_path / "look_histograms.png")]
    assert all(Path(line).stat().st_size > 10_000 for line in lines[1:])


def test_a_preview_that_would_replace_a_file_is_refused_before_the_work(material, tmp_path, capfd):
    (tmp_path / "look.png").write_bytes(b"mine")

    code = main([*command(material, tmp_path / "set")[3:], "--preview", str(tmp_path / "look.png")])

    assert (code, (tmp_path / "look.png").read_bytes()) == (1, b"mine")
    assert "look.png exists" in capfd.readouterr().err
    assert not (tmp_path / "set").exists()


def test_the_command_takes_several_logs_and_names_what_it_left_out(material, tmp_path, capfd, write):
    write.photo(tmp_path / "small.png", height=60)
    (tmp_path / "short.csv").write_text("t[s],wx[rad/s],wy[rad/s],wz[rad/s]\n0,0,0,0\n0.1,0,0,0\n")
    logs = [str(path) for path in (*material.logs.iterdir(), tmp_path / "short.csv")]
    start = ["synth", str(material.photos), str(tmp_path / "small.png"), "--gyro", *logs, "--out"]
    end = ["--count", "3", "--height", "64", "--width", "80", "--workers", "1"]

    in_words = main([*start, str(tmp_path / "a"), *end])
    _, errors = capfd.readouterr()
    as_json = main([*start, str(tmp_path / "b"), *end, "--json"])
    text, _ = capfd.readouterr()

    report = json.loads(text)
    assert (in_words, as_json) == (0, 0)
    assert [line.split(": ")[1] for line in errors.splitlines()] == [
        str(tmp_path / "small.png"),
        str(tmp_path / "short.csv"),
    ]
    assert report["left_out"] == errors.splitlines()
    assert (report["pairs"], report["shards"], report["made"]) == (3, 1, 3)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


BAD_COMMANDS = {
    "no photo": (["synth", "--gyro", "imu.csv", "--out", "o", "--count", "1"], 1, "no photo there"),
    "photo missing": (["synth", "p", "--gyro", "l", "--out", "o", "--count", "1"], 1, "p: no such file"),
    "no gyro": (["synth", "p", "--out", "o", "--count", "1"], 2, "--gyro"),
    "no count": (["synth", "p", "--gyro", "l", "--out", "o"], 2, "--count"),
    "no such preset": (
        ["synth", "p", "--gyro", "l", "--out", "o", "--count", "1", "--preset", "x"], 2, "preset",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "fragment"), BAD_COMMANDS.values(), ids=BAD_COMMANDS)
def test_bad_usage_ends_in_one_line(tmp_path, monkeypatch, capfd, arguments, code, fragment):
    monkeypatch.chdir(tmp_path)

    got = main(arguments)

    text, errors = capfd.readouterr()
    assert (got, text, len(errors.splitlines())) == (code, "", 1)
    assert fragment in errors
    assert not (tmp_path / "o").exists()


def test_where_no_photo_can_be_used_each_line_says_why(material, tmp_path, capfd):
    (tmp_path / "bad.jpg").write_bytes(b"")

    code = main(["synth", str(tmp_path), "--gyro", str(material.logs), "--out", "o", "--count", "1"])

    left_out, error = capfd.readouterr().err.splitlines()
    assert code == 1
    assert left_out.startswith(f"left out: {tmp_path / 'bad.jpg'}: is empty")
    assert error.startswith("error: none of the photos (1) can be used")


def test_without_ray_the_command_says_what_to_install(material, tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "ray", None)

    code = main([*command(material, tmp_path / "set")[3:], "--ray", "local"])

    assert code == 1
    assert capfd.readouterr().err == "error: ray is missing: pip install 'deepgyro[cluster]'\n"
