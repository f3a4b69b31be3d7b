"""Logs are fetched from a server in the test: whole and checked, or one line that says why not."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import deepgyro
from deepgyro.cli import main
from deepgyro.errors import DeepGyroError
from deepgyro.telemetry import fetching
from deepgyro.telemetry.fetching import TUM_VI_LOGS, PublicLog, fetch_tum_vi

LOG = (
    "#timestamp [ns],w_RS_S_x [rad s^-1],w_RS_S_y [rad s^-1],w_RS_S_z [rad s^-1],a_RS_S_x [m s^-2]\n"
    + "".join(f"{1520530308181901469 + 5000000 * i},0.1,0.2,{i / 1000},9.8\n" for i in range(200))
).encode()
SUM = hashlib.sha256(LOG).hexdigest()
ROOM, HALL = (
    PublicLog(name, f"http://127.0.0.1:9/official/{name}.tar", f"{name}/mav0/imu0/data.csv", SUM, "CC BY 4.0")
    for name in ("room", "hall")
)
PICTURES = bytes(40_000_000)


def tar_of(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


class Server(ThreadingHTTPServer):
    """Serves `files` by path; `cut` bytes of a file at most, and counts what it could send."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cut, self.sent, self.asked = {}, None, 0, []
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.silent = threading.Event()
        self.silent.set()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(self.path)
        server.silent.wait(10)
        if self.path not in server.files:
            self.send_error(404)
            return
        content = server.files[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            for start in range(0, len(content[: server.cut]), 65536):
                block = content[: server.cut][start : start + 65536]
                self.wfile.write(block)
                server.sent += len(block)
        except OSError:  # the client has what it wants
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """A mirror with ``room.tar``, in which a large file follows the log; the table has its two logs."""
    monkeypatch.setattr(fetching, "TUM_VI_LOGS", (ROOM, HALL))
    monkeypatch.setenv("no_proxy", "*")
    server = Server()
    server.files["/mirror/room.tar"] = tar_of(
        {"room/README": b"", ROOM.member: LOG, "room/pictures": PICTURES}
    )
    server.files["/mirror/hall.tar"] = tar_of({HALL.member: LOG})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.silent.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch(server, tmp_path):
    """Fetch the room from the mirror into ``out``."""

    def fetch(**options):
        (fetched,) = fetch_tum_vi(
            ["room"], tmp_path / "out", **({"mirror": f"{server.address}/mirror"} | options)
        )
        return fetched

    return fetch


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_fetched_log_is_read(fetch, tmp_path):
    fetched = fetch()

    log = deepgyro.read_gyro(fetched.file)
    assert files_in(tmp_path) == ["room.csv.gz"]
    assert len(log.t) == 200
    np.testing.assert_array_equal(log.omega[7], [0.1, 0.2, 0.007])
    assert (fetched.name, fetched.licence, fetched.sha256, fetched.note) == ("room", "CC BY 4.0", SUM, "")


def test_the_archive_is_read_no_further_than_the_log(fetch, server):
    seen = []

    fetch(progress=lambda count, size: seen.append((count, size)))

    counts, sizes = zip(*seen, strict=True)
    assert set(sizes) == {len(server.files["/mirror/room.tar"])}
    assert counts[-1] <= 2 << 20  # bytes
    assert list(counts) == sorted(counts)
    assert server.sent < len(PICTURES) / 2  # the rest of what was sent is in the sockets' buffers


def test_the_same_log_gives_the_same_file(fetch):
    path = Path(fetch().file)
    first = path.read_bytes()
    path.unlink()

    again = Path(fetch().file).read_bytes()

    assert again == first
    assert first[4:8] == bytes(4)  # no time in the gzip's header


def test_the_tables_address_is_used_without_a_mirror(server, fetch, monkeypatch):
    official = replace(ROOM, address=f"{server.address}/mirror/room.tar")
    monkeypatch.setattr(fetching, "TUM_VI_LOGS", (official,))

    assert fetch(mirror=None).sha256 == SUM


def test_a_log_that_is_there_is_not_fetched_again(fetch, server):
    fetch()

    again, replaced = fetch(), fetch(overwrite=True)

    assert again.note == replaced.note == "was there already"
    assert server.asked == ["/mirror/room.tar"]


@pytest.mark.parametrize("content", [b"notes", gzip.compress(b"notes"), gzip.compress(LOG)[:-20]])
def test_another_file_is_replaced_only_when_told(fetch, server, tmp_path, content):
    path = tmp_path / "out/room.csv.gz"
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(DeepGyroError, match=r"room.csv.gz exists and is another file: give --overwrite"):
        fetch()

    assert path.read_bytes() == content
    assert server.asked == []
    fetch(overwrite=True)
    assert gzip.decompress(path.read_bytes()) == LOG
    assert files_in(tmp_path) == ["room.csv.gz"]


def page(server):
    server.files["/mirror/room.tar"] = b"<html>Moved</html>" * 1000


def other_log(server):
    server.files["/mirror/room.tar"] = tar_of({ROOM.member: LOG + b"\n"})


def other_files(server):
    server.files["/mirror/room.tar"] = tar_of({"room/README": b"read me"})


def no_file(server):
    server.files.clear()


def cut_in_log(server):
    server.cut = 5000


def cut_between_files(server):
    server.files["/mirror/room.tar"] = tar_of({"room/README": b"", ROOM.member: LOG})
    server.cut = 512


def nothing(server):
    server.cut = 0


def silence(server):
    server.silent.clear()


UNUSABLE = {
    "no file": (no_file, "the server answers 404 (Not Found); the archive may have moved"),
    "other log": (other_log, f"{hashlib.sha256(LOG + bytes([10])).hexdigest()}, {SUM} is needed"),
    "other files": (other_files, "no file room/mav0/imu0/data.csv in this archive"),
    "a web page": (page, "no tar archive, or a broken one (invalid header)"),
    "cut in the log": (cut_in_log, "the connection ended after 5000 of "),
    "cut between files": (cut_between_files, "the connection ended after 512 of "),
    "nothing": (nothing, "the connection ended after 0 of "),
    "silence": (silence, "not fetched (timed out); check the network"),
}


@pytest.mark.parametrize(("spoil", "fragment"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_fetched_ends_in_one_line_and_leaves_nothing(
    server, tmp_path, monkeypatch, capsys, spoil, fragment
):
    monkeypatch.setattr(fetching, "DOWNLOAD_TIMEOUT_S", 0.2)
    spoil(server)
    mirror = f"{server.address}/mirror"

    code = main(["fetch", "tum-vi", "room", "--out", str(tmp_path / "out"), "--mirror", mirror])

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert err.startswith(f"error: {mirror}/room.tar: ")
    assert fragment in err
    assert "--mirror" in err.removeprefix(f"error: {mirror}")
    assert files_in(tmp_path) == []


def test_a_server_that_is_not_there_ends_in_one_line(fetch, server, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as gone:
        port = gone.server_port

    with pytest.raises(DeepGyroError, match=r"room.tar: not fetched \(.+\); check the network"):
        fetch(mirror=f"http://127.0.0.1:{port}")

    assert files_in(tmp_path) == []


def test_an_interruption_leaves_nothing_behind(fetch, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(progress=stop)

    assert files_in(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_known_before_anything_is_fetched(fetch, server, tmp_path):
    (tmp_path / "out").write_text("a file")

    with pytest.raises(DeepGyroError, match=r"out: cannot be made a folder \(.*\); give another --out"):
        fetch()

    assert server.asked == []


# ---- the command


def run(server, tmp_path, *arguments):
    mirror = ["--mirror", f"{server.address}/mirror/"]
    return main(["fetch", "tum-vi", *arguments, "--out", str(tmp_path / "out"), *mirror])


def test_the_command_fetches_all_and_prints_a_line_a_log(server, tmp_path, capsys):
    codes = [run(server, tmp_path, "hall"), run(server, tmp_path)]

    out, err = capsys.readouterr()
    folder = tmp_path / "out"
    assert (codes, err) == ([0, 0], "")
    assert out.splitlines() == [
        f"{folder / 'hall.csv.gz'}  CC BY 4.0",
        f"{folder / 'room.csv.gz'}  CC BY 4.0",
        f"{folder / 'hall.csv.gz'}  CC BY 4.0  [was there already]",
    ]


def test_the_command_keeps_what_was_fetched_before_a_failure(server, tmp_path, capsys):
    del server.files["/mirror/room.tar"]

    code = run(server, tmp_path, "hall", "room")

    out, err = capsys.readouterr()
    assert (code, out.count("\n"), err.count("\n")) == (1, 1, 1)
    assert files_in(tmp_path) == ["hall.csv.gz"]


def test_the_command_prints_one_json_object(server, tmp_path, capsys):
    code = run(server, tmp_path, "room", "--json")

    out, err = capsys.readouterr()
    file = str(tmp_path / "out/room.csv.gz")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "logs": [{"name": "room", "file": file, "licence": "CC BY 4.0", "sha256": SUM, "note": ""}]
    }


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    {
        "no such log": (["attic", "--out", "out"], "no log 'attic' here; there are room1, room2, room3"),
        "no address": (["--out", "out", "--mirror", "mirror"], "an address with http:// or https://"),
        "a file's address": (["--out", "out", "--mirror", "file:///etc"], "http:// or https://"),
        "no host": (["--out", "out", "--mirror", "http:///tumvi"], "--mirror is 'http:///tumvi'"),
        "half a host": (["--out", "out", "--mirror", "http://a..b/"], "--mirror is 'http://a..b/'"),
        "an open bracket": (["--out", "out", "--mirror", "http://[::1/"], "--mirror is 'http://[::1/'"),
        "no port": (["--out", "out", "--mirror", "http://a:b/"], "--mirror is 'http://a:b/'"),
        "not encoded": (["--out", "out", "--mirror", "http://a/ü"], "--mirror is 'http://a/ü'"),
        "no folder": (["room1"], "--out"),
    }.values(),
)
def test_wrong_usage_ends_in_one_line_and_code_2(tmp_path, monkeypatch, capsys, arguments, fragment):
    monkeypatch.chdir(tmp_path)

    code = main(["fetch", "tum-vi", *arguments])

    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert fragment in err
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_option_and_log(capsys):
    code = main(["fetch", "tum-vi", "--help"])

    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert all(word in out for word in ("--out", "--mirror", "--overwrite", "--json", "room1 to room5"))


# ---- the table


def test_the_table_names_each_log_once_over_https():
    assert [log.name for log in TUM_VI_LOGS] == ["room1", "room2", "room3", "room4", "room5"]
    assert len({(log.address, log.member, log.sha256) for log in TUM_VI_LOGS}) == 5
    assert all(log.address.startswith("https://") for log in TUM_VI_LOGS)
    assert all(log.name in log.address and log.name in log.member for log in TUM_VI_LOGS)


@pytest.mark.parametrize("log", TUM_VI_LOGS, ids=lambda log: log.name)
def test_the_tables_sums_are_those_of_the_logs(shared, log):
    with gzip.open(shared / f"gyro/tum_vi/{log.name}.csv.gz") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == log.sha256
