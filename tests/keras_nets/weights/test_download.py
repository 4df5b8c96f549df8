"""Downloads against a local server that stalls, cuts off, forgets ranges and serves wrong files."""

import hashlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from framework_files import random_tensors, write_pdparams

from keras_nets import WeightsError, fetch_imagenet, resolve_weights
from keras_nets.weights import download, transfer

NAME = "SqueezeNet1_1_pretrained.pdparams"


class Server(ThreadingHTTPServer):
    """Serves one file; `script` holds what goes wrong with each further request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.script, self.seen = b"", [], []
        self.etag, self.ranges = '"v1"', True

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range", "")
        server.seen.append((self.path, asked, self.headers.get("If-Range")))
        trouble = server.script.pop(0) if server.script else None
        if isinstance(trouble, int):
            self.send_error(trouble)
            return
        start = int(asked[6:-1]) if asked and server.ranges else 0
        if start and self.headers.get("If-Range") != server.etag:
            start = 0
        data = server.data[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.data) - 1}/*")
        if server.etag:
            self.send_header("ETag", server.etag)
        if trouble != "no length":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        half = len(data) // 2
        if trouble in ("cut", "stall"):
            self.wfile.write(data[:half])
            self.wfile.flush()
            if trouble == "stall":
                time.sleep(1.5)
        else:
            self.wfile.write(data)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> bytes:
    tensors = random_tensors("squeezenet1_1", "paddle")
    return write_pdparams(tmp_path_factory.mktemp("good") / "w", tensors).read_bytes()


@pytest.fixture
def server(good, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_NETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(transfer, "PAUSES", (0.01, 0.01))
    monkeypatch.setattr(transfer, "STALL", 0.5)
    server = Server()
    server.data = good
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(server, source: str = "paddle", **options):
    bases = dict.fromkeys(download.BASE_URLS, server.base)
    return fetch_imagenet("squeezenet1_1", source, base_urls=bases, **options)


def refused(server, **options) -> str:
    with pytest.raises(WeightsError) as caught:
        fetch(server, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_fetched_once_and_its_hash_kept(server, good, tmp_path):
    told = []
    path = fetch(server, progress=lambda done, total: told.append((done, total)))
    assert path == tmp_path / "cache" / "weights" / NAME
    assert path.read_bytes() == good
    digest = hashlib.sha256(good).hexdigest()
    assert path.with_name(f"{NAME}.sha256").read_text() == f"{digest}  {NAME}\n"
    assert told[0] == (0, len(good)) and told[-1] == (len(good), len(good))
    assert told == sorted(told)
    assert fetch(server) == path
    assert [seen[0] for seen in server.seen] == [f"/{NAME}"]
    left = {found.name for found in path.parent.iterdir()}
    assert left <= {NAME, f"{NAME}.sha256", f"{NAME}.lock"}


def test_what_a_kill_left_beside_a_whole_file_is_removed(server, tmp_path):
    path = fetch(server)
    for ending in (".partial", ".partial.tag", ".sha256.partial"):
        path.with_name(NAME + ending).touch()
    assert fetch(server) == path
    left = {found.name for found in path.parent.iterdir()}
    assert left <= {NAME, f"{NAME}.sha256", f"{NAME}.lock"}


@pytest.mark.parametrize("trouble", ["cut", "stall", 503])
def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(server, good, trouble):
    server.script = [trouble]
    assert fetch(server).read_bytes() == good
    first, second = server.seen
    wanted = f"bytes={len(good) // 2}-" if trouble != 503 else ""
    assert (first[1], second[1]) == ("", wanted)
    assert second[2] == (server.etag if wanted else None)


def test_a_later_process_goes_on_where_an_earlier_gave_up(server, good):
    server.script = ["cut", 500, 500]
    assert "HTTP status 500" in refused(server)
    assert fetch(server).read_bytes() == good
    assert server.seen[-1][1] == f"bytes={len(good) // 2}-"


def test_a_server_that_ignores_ranges_gives_the_whole_file_anew(server, good):
    server.ranges, server.script = False, ["cut"]
    assert fetch(server).read_bytes() == good


def test_a_file_that_changed_in_between_is_fetched_whole(server, good):
    server.script = ["cut", 500, 500]
    refused(server)
    server.etag = '"v2"'
    assert fetch(server).read_bytes() == good


def test_without_a_tag_a_broken_transfer_starts_afresh(server, good):
    server.etag, server.script = None, ["cut"]
    assert fetch(server).read_bytes() == good
    assert [seen[1] for seen in server.seen] == ["", ""]


def test_a_server_that_tells_no_length_is_enough(server, good):
    server.script = ["no length"]
    assert fetch(server).read_bytes() == good


def test_more_is_held_than_there_is(server, good, tmp_path):
    folder = tmp_path / "cache" / "weights"
    folder.mkdir(parents=True)
    (folder / f"{NAME}.partial").write_bytes(good + b"more")
    (folder / f"{NAME}.partial.tag").write_text(server.etag)
    server.script = [416]
    assert fetch(server).read_bytes() == good


def test_stalling_for_good_is_an_error_that_says_where_the_file_goes(server, tmp_path):
    server.script = ["stall"] * 3
    start = time.monotonic()
    line = refused(server)
    assert time.monotonic() - start < 20
    assert server.base + NAME in line
    assert f"put it at {tmp_path / 'cache' / 'weights' / NAME}" in line


def test_an_absent_file_is_not_tried_again(server):
    server.script = [404]
    assert "HTTP status 404" in refused(server)
    assert len(server.seen) == 1


def test_offline_is_one_line_at_once_and_a_file_put_there_by_hand_is_taken(
    server, good, tmp_path, monkeypatch
):
    monkeypatch.setattr(transfer, "PAUSES", (60.0,))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        with pytest.raises(WeightsError, match="cannot be fetched .* put it at") as caught:
            resolve_weights("squeezenet1_1", "imagenet", base_urls={"paddle": base})
    place = tmp_path / "cache" / "weights" / NAME
    assert str(caught.value).endswith(str(place))
    place.write_bytes(good)
    assert fetch(server) == place and not server.seen
    assert place.with_name(f"{NAME}.sha256").exists()


@pytest.mark.parametrize("wrong", [b"<html>Please log in</html>", b"", b"\x80\x04}."])
def test_a_wrong_file_is_refused_and_not_kept(server, wrong, tmp_path):
    server.data = wrong
    assert f"{server.base}{NAME} gave no weights of squeezenet1_1" in refused(server)
    left = {path.name for path in (tmp_path / "cache" / "weights").iterdir()}
    assert not left & {NAME, f"{NAME}.sha256", f"{NAME}.partial"}


def test_another_network_whose_tensors_are_called_the_same_is_refused(server, tmp_path):
    tensors = random_tensors("squeezenet1_0", "paddle")
    server.data = write_pdparams(tmp_path / "other", tensors).read_bytes()
    told = "holds 1_248_424 values where squeezenet1_1 has 1_235_496"
    assert told in refused(server)
    place = tmp_path / "cache" / "weights" / NAME
    assert not place.exists() and not place.with_name(f"{NAME}.sha256").exists()
    place.write_bytes(server.data)
    assert told in refused(server)
    assert not place.with_name(f"{NAME}.sha256").exists()


@pytest.mark.parametrize("kept", [b"", b"\xff\xfe", b"no hash  " + NAME.encode()])
def test_a_hash_that_is_none_is_told_by_its_file(server, kept):
    beside = fetch(server).with_name(f"{NAME}.sha256")
    beside.write_bytes(kept)
    assert f"{beside} holds no sha256; delete it" in refused(server)
    beside.unlink()
    assert fetch(server).exists()


def test_torchvisions_prefix_is_checked(server, good, tmp_path, monkeypatch):
    digest = hashlib.sha256(good).hexdigest()
    name = f"squeezenet1_1-{digest[:8]}.pth"
    monkeypatch.setitem(download.FILES["torchvision"], "squeezenet1_1", name)
    server.data = good[:-1] + b"x"
    assert f"where {digest[:8]}... is published" in refused(server, source="torchvision")
    server.data = good
    path = fetch(server, "torchvision")
    assert path.name == name
    path.write_bytes(good + b"x")
    assert "delete it to fetch it again" in refused(server, source="torchvision")


def test_a_file_that_differs_from_the_first_download_is_refused(server, good, tmp_path):
    path = fetch(server)
    path.write_bytes(good[:-4] + b"xxxx")
    line = refused(server)
    assert str(path) in line and "delete it to fetch it again" in line
    path.unlink()
    tensors = random_tensors("squeezenet1_1", "paddle", seed=1)
    server.data = write_pdparams(tmp_path / "other", tensors).read_bytes()
    server.etag = '"v2"'
    assert "where the first download had" in refused(server)
    assert not path.exists()
    path.with_name(f"{NAME}.sha256").unlink()
    assert fetch(server).read_bytes() == server.data


def test_two_at_once_fetch_once(server, good):
    found = []
    threads = [threading.Thread(target=lambda: found.append(fetch(server))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(found)) == 1
    assert len(server.seen) == 1


def test_a_cache_that_cannot_be_written_is_one_line(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_NETS_CACHE", str(tmp_path / "file"))
    assert "cannot be written" in refused(server)


def test_a_weights_argument_is_a_path_or_a_known_spelling(server, tmp_path, monkeypatch):
    (tmp_path / "w").write_text("")
    assert resolve_weights("vgg11", str(tmp_path / "w")) == tmp_path / "w"
    with pytest.raises(WeightsError, match="name one, or imagenet, imagenet:torchvision"):
        resolve_weights("vgg11", str(tmp_path / "absent"))
    with pytest.raises(WeightsError, match="'torchvision' publishes no weights of darknet53"):
        resolve_weights("darknet53", "imagenet:torchvision")
    with pytest.raises(WeightsError, match="known are imagenet, imagenet:torchvision"):
        resolve_weights("vgg11", "imagenet:nowhere")
    asked = []
    monkeypatch.setattr(download, "fetch_imagenet", lambda net, source, **_: asked.append(source))
    for spec in ("imagenet", "imagenet:paddle", "imagenet:darknet"):
        resolve_weights("darknet53", spec)
    assert asked == ["paddle", "paddle", "darknet"]


def test_every_network_has_a_published_file_of_every_flavour():
    from keras_nets import NETS

    for net in NETS.values():
        assert {source for source, files in download.FILES.items() if net.name in files} == set(
            net.flavours
        )
