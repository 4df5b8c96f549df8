"""The command line of client, against the stand-in."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hostile_server import http, raw_server
from PIL import Image
from standin_process import free_port, standin
from toy_artifact import (
    BATCH_SIZES,
    CLASSES,
    IMAGE,
    LABELS,
    ToyRecipe,
    make_pair,
    make_toy,
    pair_outputs,
    toy_logits,
    write_report,
)

from export.serving.bundle import add
from keras_nets import NETS
from keras_nets.preprocess import preprocess, recipe_for
from keras_nets.recipes import as_report, read_words
from tools import client

TOOL = Path(client.__file__)
OPTIONS = {"classes": CLASSES, "image": list(IMAGE), "batch_sizes": list(BATCH_SIZES), "seed": 0}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    out = tmp_path_factory.mktemp("client")
    add(make_toy(out / "exports"), out / "deploy")
    add(make_toy(out / "plain", model="plain", classify=False), out / "deploy")
    add(make_pair(out / "exports"), out / "deploy")
    with standin(out / "deploy") as running:
        yield running


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Ten small PNGs of noise."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(10):
        noise = np.random.default_rng(seed).integers(0, 256, (12, 10, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{seed}.png")
    return folder


def run(url, *arguments, model="toy"):
    try:
        return client.main(["--url", url, "--model", model, *map(str, arguments)])
    except SystemExit as ended:
        return ended.code


def best_label(path):
    return LABELS[toy_logits(preprocess(path, ToyRecipe())[None])[0].argmax()]


def test_a_picture_is_named_and_timed(server, pictures, capsys):
    assert run(server.rest, pictures / "3.png") == 0
    path, first, *rest, summary = capsys.readouterr().out.splitlines()
    assert path == str(pictures / "3.png")
    assert first.split()[1] == best_label(pictures / "3.png")
    assert len(rest) == 4
    assert summary.startswith("1 of 1 requests answered")
    assert {"p50", "p90", "p99"} <= set(summary.replace(",", " ").replace(";", " ").split())


@pytest.mark.parametrize("scheme", ["grpc", "rest"])
def test_a_thousand_requests_at_concurrency_32_lose_none(server, pictures, capsys, scheme):
    options = ("--repeat", 100, "--concurrency", 32, "--json")
    assert run(getattr(server, scheme), pictures, *options) == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said["pictures"]) == 1000
    for row in said["pictures"]:
        assert row["error"] is None
        assert row["guesses"][0]["label"] == best_label(row["path"])
    latency = said["latency_ms"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"]


def test_pictures_share_requests_and_keep_their_order(server, pictures, capsys):
    assert run(server.grpc, pictures, "--batch", 4, "--label", "stable", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["pictures"]
    assert [row["path"] for row in rows] == [str(pictures / f"{n}.png") for n in range(10)]
    assert [row["guesses"][0]["label"] for row in rows] == [best_label(r["path"]) for r in rows]


def test_a_broken_picture_costs_only_itself(server, pictures, tmp_path, capsys):
    broken = tmp_path / "broken.png"
    broken.write_bytes((pictures / "0.png").read_bytes()[:60])
    assert run(server.grpc, broken, pictures / "1.png", "--batch", 2) == 1
    printed = capsys.readouterr()
    assert "1 of 2 requests answered" in printed.out
    assert "broken.png" in printed.err
    assert len(printed.err.splitlines()) == 1


def test_a_picture_that_lies_on_its_side_is_sent_upright(server, pictures, tmp_path, capsys):
    turned = tmp_path / "turned.png"
    with Image.open(pictures / "2.png") as image:
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned a quarter
        image.save(turned, exif=exif)
    sent = client._decodable(turned)
    with Image.open(io.BytesIO(sent)) as upright, Image.open(turned) as stored:
        assert upright.size == stored.size[::-1]
    assert run(server.rest, turned) == 0
    assert best_label(turned) in capsys.readouterr().out.splitlines()[1]


def test_a_format_that_the_server_does_not_decode_is_sent_as_one_that_it_does(pictures, tmp_path):
    with Image.open(pictures / "2.png") as image:
        image.save(tmp_path / "picture.bmp")
    assert client._decodable(tmp_path / "picture.bmp").startswith(b"\x89PNG")
    assert client._decodable(pictures / "2.png") == (pictures / "2.png").read_bytes()


def expected_label(path, flavour):
    recipe = recipe_for(NETS["vgg13"], flavour, 8)
    return LABELS[toy_logits(preprocess(path, recipe)[None])[0].argmax()]


@pytest.fixture(scope="module")
def telling(pictures):
    """A picture in which the flavours' preprocessing tells."""
    for path in sorted(pictures.iterdir()):
        if expected_label(path, "paddle") != expected_label(path, "torchvision"):
            return path
    raise AssertionError("no picture tells the flavours apart; draw more of them")


@pytest.mark.parametrize("flavour", ["paddle", "torchvision"])
def test_a_model_without_classify_gets_the_preprocessing_of_its_flavour(
    server, telling, tmp_path, capsys, flavour
):
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(LABELS), encoding="utf-8-sig")
    write_report(tmp_path, model="vgg13", options={**OPTIONS, "flavour": flavour})
    for options in (("--net", "VGG13", "--flavour", flavour), ("--artifact", tmp_path)):
        arguments = (*options, "--labels", labels, "--json")
        assert run(server.grpc, telling, *arguments, model="plain") == 0
        (row,) = json.loads(capsys.readouterr().out)["pictures"]
        assert row["guesses"][0]["label"] == expected_label(telling, flavour)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Ids and flags of ten samples, and the file that holds them."""
    random = np.random.default_rng(0)
    batch = {"ids": random.integers(0, 5, (10, 7)), "heard": random.integers(0, 2, (10, 7)) > 0}
    path = tmp_path_factory.mktemp("pair") / "real.npz"
    np.savez(path, **batch)
    return path, batch


@pytest.mark.parametrize("scheme", ["grpc", "rest"])
def test_arrays_go_to_any_model_by_the_names_of_its_inputs(server, pair, tmp_path, capsys, scheme):
    path, batch = pair
    options = ("--inputs", path, "--batch", 4, "--concurrency", 3, "--repeat", 2)
    saved = tmp_path / "made.npz"
    assert run(getattr(server, scheme), *options, "--save", saved, model="pair") == 0
    count, mean, summary = capsys.readouterr().out.splitlines()
    assert mean.startswith("mean  float32 (10, 3)  ")
    assert count.startswith("count  int64 (10,)  ")
    assert summary.startswith("6 of 6 requests answered")
    wanted = pair_outputs(**batch)
    with np.load(saved) as made:
        np.testing.assert_allclose(made["mean"], wanted["mean"], rtol=1e-6)
        np.testing.assert_array_equal(made["count"], wanted["count"])
    assert run(getattr(server, scheme), *options, "--json", model="pair") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["outputs"]["count"]["values"] == wanted["count"].tolist()
    assert said["errors"] == [] and said["latency_ms"]["p50"] > 0


def test_pictures_for_a_model_that_takes_none_are_refused_with_what_it_takes(
    server, pictures, capsys
):
    assert run(server.grpc, pictures, model="pair") == 2
    line = refused(capsys)
    assert "'pair' is no classifier of pictures: it takes `heard` bool (batch, any)" in line
    assert line.endswith("send arrays with --inputs FILE.npz")


def test_arrays_that_the_model_does_not_take_are_told_apart_from_faults(
    server, pair, tmp_path, capsys
):
    _, batch = pair
    for name, wrong, text in (
        ("names", {"ids": batch["ids"]}, "the model takes `heard` bool"),
        ("type", {**batch, "ids": batch["ids"] * 0.5}, "Received: float64"),
        ("range", {**batch, "ids": batch["ids"] + (1 << 40)}, "Received: int64"),
        ("rank", {**batch, "ids": batch["ids"][0]}, "as many samples for each input"),
        ("axes", {**batch, "ids": batch["ids"][:, :, None]}, "Received: shape [10, 7, 1]"),
        ("count", {**batch, "ids": batch["ids"][:4]}, "as many samples for each input"),
    ):
        path = tmp_path / f"{name}.npz"
        np.savez(path, **wrong)
        assert run(server.grpc, "--inputs", path, model="pair") == 2
        assert text in refused(capsys)


def test_a_request_that_fails_costs_only_its_samples(server, pair, tmp_path, capsys):
    _, batch = pair
    ids = batch["ids"].copy()
    ids[5, 0] = 99  # past the vocabulary
    np.savez(tmp_path / "one.npz", ids=ids, heard=batch["heard"])
    options = ("--inputs", tmp_path / "one.npz", "--batch", 2)
    assert run(server.grpc, *options, model="pair") == 1
    printed = capsys.readouterr()
    assert "mean  float32 (8, 3)" in printed.out and "4 of 5 requests answered" in printed.out
    assert printed.err.startswith("error: samples 4 to 5: ")


def test_pictures_or_arrays_are_sent_and_not_both(pictures, pair, capsys):
    neither = "error: name pictures to send, or --inputs FILE.npz"
    for arguments, text in (
        ((), neither),
        ((pictures, "--inputs", pair[0]), neither),
        ((pictures, "--save", "x.npz"), "error: --save keeps what --inputs gave"),
    ):
        assert run("http://127.0.0.1:1", *arguments) == 2
        assert text in capsys.readouterr().err


def test_how_pictures_are_taken_is_said_or_in_the_report_of_the_export(
    server, telling, tmp_path, capsys
):
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    options = {**OPTIONS, "flavour": "", "preprocess": as_report(read_words(WAY).recipe(IMAGE))}
    write_report(tmp_path, model="own", options=options)
    logits = toy_logits(preprocess(telling, read_words(WAY).recipe(IMAGE))[None])[0]
    for way in (("--preprocess", WAY), ("--artifact", tmp_path)):
        labels = ("--labels", tmp_path / "labels.txt", "--json")
        assert run(server.grpc, telling, *way, *labels, model="plain") == 0
        (row,) = json.loads(capsys.readouterr().out)["pictures"]
        assert row["guesses"][0]["label"] == LABELS[logits.argmax()]


WAY = "scale=60:55:50,mean=100,order=bgr,short=9"


def refused(capsys):
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    assert printed.out == ""
    return line


def test_a_model_whose_preprocessing_nobody_knows_is_refused(server, pictures, capsys):
    """Its flavour is not guessed: paddle's and torchvision's answers differ."""
    assert run(server.grpc, pictures, model="plain") == 2
    line = refused(capsys)
    assert "--artifact DIR" in line and "--net NAME and --flavour FLAVOUR" in line
    assert run(server.grpc, pictures, "--net", "vgg13", model="plain") == 2
    assert "--flavour FLAVOUR, such as paddle or torchvision" in refused(capsys)


def test_an_export_outside_the_catalog_says_no_preprocessing(server, pictures, tmp_path, capsys):
    write_report(tmp_path, model="own")
    assert run(server.grpc, pictures, "--artifact", tmp_path, model="plain") == 2
    assert "name the export with --artifact DIR, say it with --preprocess, or" in refused(capsys)
    assert run(server.grpc, pictures / "1.png", "--artifact", tmp_path) == 0  # it has `classify`


def test_what_cannot_be_on_any_server_is_told_before_one_is_asked(pictures, tmp_path, capsys):
    nowhere = f"http://127.0.0.1:{free_port()}"
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "cut.png").write_bytes((pictures / "0.png").read_bytes()[:60])
    for arguments, text in {
        ("none.jpg", pictures): "there is no picture or folder none.jpg",
        (tmp_path / "text.jpg",): "text.jpg': no picture of ",
        (tmp_path / "cut.png",): "cut.png: a PNG that is cut short",
        (pictures, "--net", "vgg14"): "no network is called 'vgg14'; did you mean",
        (pictures, "--artifact", pictures): "has no report.json",
        (pictures, "--net", "vgg13", "--flavour", "darknet"): "vgg13 comes as paddle, torchvision",
        (pictures, "--labels", tmp_path / "none"): "cannot read labels",
        (pictures, "--header", "no colon"): "a header is 'NAME: VALUE'",
        (pictures, "--header", f"@{tmp_path / 'cut.png'}"): "a header is 'NAME: VALUE'",
        (pictures, "--timeout", "nan"): "a try takes",
        (pictures, "--retries", "-1"): "retries and waits",
        (pictures, "--version", "-1"): "a version is a number",
        (pictures, "--label", "a/b"): "a label has a name",
    }.items():
        assert run(nowhere, *arguments) == 2
        assert text in refused(capsys)


@pytest.mark.parametrize("name", ["none.jpg", "cut.png"])
def test_a_broken_picture_is_refused_before_anything_heavy_is_loaded(pictures, tmp_path, name):
    (tmp_path / "cut.png").write_bytes((pictures / "0.png").read_bytes()[:60])
    code = (
        "import sys; from tools import client\n"
        f"try: status = client.main(['--url', 'grpc://127.0.0.1:1', '--model', 'toy', {name!r}])\n"
        "except SystemExit as ended: status = ended.code\n"
        "print(status, {'numpy', 'grpc', 'urllib3', 'PIL'} & set(sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": str(TOOL.parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.stdout == "2 set()\n", done.stderr
    assert name in done.stderr


def test_a_header_comes_from_the_command_line_or_from_a_file(pictures, tmp_path, capsys):
    (tmp_path / "headers").write_text("Authorization: Bearer s3cret-token\n\nX-Team: a:b\n")
    answer = http(b'{"error": "who is s3cret-token?"}', status="403 No")
    with raw_server(lambda connection, _head: connection.sendall(answer)) as (url, heads):
        headers = ("--header", f"@{tmp_path / 'headers'}", "--header", "X-One: 1")
        assert run(url, pictures, *headers) == 2
    assert {b"Authorization: Bearer s3cret-token", b"X-Team: a:b", b"X-One: 1"} <= set(
        heads[0].splitlines()
    )
    assert "answered 403: who is [hidden]?" in refused(capsys)


def test_a_side_that_a_server_only_claims_takes_no_memory(pictures, capsys):
    dim = [{"size": size} for size in ("-1", "100000", "100000", "3")]
    tensor = {"image": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": dim}}}
    logits = {"logits": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [dim[0], dim[3]]}}}
    found = {"serving_default": {"inputs": tensor, "outputs": logits}}
    answer = http(json.dumps({"metadata": {"signature_def": {"signature_def": found}}}).encode())
    with raw_server(lambda connection, _head: connection.sendall(answer)) as (url, _):
        assert run(url, pictures, "--flavour", "paddle", model="vgg13") == 2
    assert "for which no picture can be made" in refused(capsys)


def test_labels_of_other_classes_are_named_as_the_reason(server, pictures, tmp_path, capsys):
    labels = tmp_path / "labels.txt"
    labels.write_text("ant\nbee\n")
    options = ("--net", "vgg13", "--flavour", "paddle", "--labels", labels)
    assert run(server.grpc, pictures / "5.png", *options, model="plain") == 2
    assert "each of 6 classes. Received: 2" in refused(capsys)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html>", "no TF Serving"),
        (b"[]", "no TF Serving"),
        (b'{"metadata": {"signature_def": {"signature_def": {}}}}', "signatures: none"),
    ],
)
def test_a_server_of_another_kind_is_refused_in_one_line(pictures, capsys, body, text):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        assert run(f"http://127.0.0.1:{other.server_port}", pictures, model="vgg13") == 2
        other.shutdown()
    assert text in refused(capsys)


@pytest.mark.parametrize("scheme", ["grpc", "rest"])
def test_a_model_that_is_not_served_is_refused(server, pictures, capsys, scheme):
    assert run(getattr(server, scheme), pictures, model="tot") == 2
    assert "tot" in refused(capsys)


def test_a_server_that_is_not_there_is_refused(pictures, capsys):
    url = f"http://127.0.0.1:{free_port()}"
    assert run(url, pictures, "--retries", 1) == 2
    assert "cannot be reached" in refused(capsys)


def test_a_wrong_url_and_a_missing_picture_are_refused(server, capsys, tmp_path):
    assert run("localhost:8501", "x.png") == 2
    assert "http://HOST:PORT" in refused(capsys)
    assert run(server.rest, tmp_path) == 2
    assert "no pictures" in refused(capsys)


def test_an_interrupt_ends_in_one_line_and_at_once(pictures):
    with socket.socket() as silent:  # accepts, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, TOOL, "--url", url, "--model", "toy", pictures]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        silent.accept()
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, "interrupted\n")
    assert time.monotonic() - begin < 5


def test_help_needs_nothing_heavy():
    code = (
        "import sys, runpy; sys.argv = ['client.py', '--help']\n"
        f"try: runpy.run_path({str(TOOL)!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'tensorflow', 'grpc', 'PIL', 'urllib3'} & set(sys.modules)\n"
        "print('loaded:', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert "--concurrency" in done.stdout
    assert done.stdout.endswith("loaded: []\n")


def test_asking_over_grpc_never_imports_tensorflow(server, pictures):
    code = (
        "import sys; from tools import client;"
        f"client.main(['--url', {server.grpc!r}, '--model', 'toy', {str(pictures)!r}]);"
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=TOOL.parents[1]
    )
    assert done.stdout.endswith("False\n"), done.stderr
