"""Pieces of work that are killed at each thing they do to files; see `killing`.

Each says what is wrong after a kill, and what is after a run that followed the kill: nothing half,
nothing left over, nothing of the user's gone.
"""

import hashlib
import http.server
import json
import os
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
from killing import CLOCK

MINE = "the user's"


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def lost(*paths: Path) -> list[str]:
    return [f"{p.name} of the user's is gone" for p in paths if p.read_text() != MINE]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Place:
    """An artifact is published over another one."""

    def reset(self, folder):
        fresh(folder)
        self.publish(folder, "old")
        for path in self.kept(folder):
            path.write_text(MINE)

    def work(self, folder):
        self.publish(folder, "new")

    def publish(self, folder, text):
        from export.files import write_whole
        from export.place import staged

        with staged(folder, "toy", "onnx") as place:
            for name in "abc":
                (place.stage / name).write_text(text + name)
            (place.scratch / "spare").write_text("spare")
            files = {name: sha256(place.stage / name) for name in "abc"}
            content = {"schema": 2, "artifact": {"files": files}, "text": text}
            write_whole(place.stage / "report.json", json.dumps(content))
            place.publish()

    def kept(self, folder):
        return folder / "mine.txt", folder / "toy" / "notes.txt"

    def half(self, goal):
        content = json.loads((goal / "report.json").read_text())
        files = content["artifact"]["files"]
        return [f"{name} is half" for name in files if sha256(goal / name) != files[name]]

    def wrong(self, folder):
        return self.half(folder / "toy" / "onnx") + lost(*self.kept(folder))

    def end_wrong(self, folder):
        wrong = self.wrong(folder)
        if names(folder) != {"mine.txt", "toy"}:
            wrong.append(f"left: {names(folder)}")
        if names(folder / "toy") != {"notes.txt", "onnx"}:
            wrong.append(f"left: {names(folder / 'toy')}")
        if json.loads((folder / "toy" / "onnx" / "report.json").read_text())["text"] != "new":
            wrong.append("the new one is not in its place")
        return wrong


class PlaceWithoutExchange(Place):
    """The same where a file system cannot exchange: the old one may be aside, whole."""

    def work(self, folder):
        from export import place

        place._exchanged = lambda *_: False
        super().work(folder)

    def wrong(self, folder):
        goal = folder / "toy" / "onnx"
        if not goal.exists():
            goal = folder / ".staging" / "toy-onnx" / "replaced" / "onnx"
        return self.half(goal) + lost(*self.kept(folder))


class PlaceOnOverlay(PlaceWithoutExchange):
    """The same where it cannot even rename the old folder: that is copied aside."""

    def work(self, folder):
        rename = Path.rename

        def refuse(path, target):
            if path == (folder / "toy" / "onnx").resolve():
                raise OSError(18, "Invalid cross-device link")
            return rename(path, target)

        Path.rename = refuse
        super().work(folder)

    def wrong(self, folder):
        goals = folder / "toy" / "onnx", folder / ".staging" / "toy-onnx" / "replaced" / "onnx"
        problems = []
        for goal in goals:
            try:
                problems.append(self.half(goal))
            except OSError as error:
                problems.append([f"{error}"])
        return min(problems, key=len) + lost(*self.kept(folder))


class FileWhole:
    """A file is written over another one."""

    def reset(self, folder):
        fresh(folder)
        (folder / "report.json").write_text("old")
        (folder / "notes").write_text(MINE)

    def work(self, folder):
        from export.files import write_whole

        write_whole(folder / "report.json", "new")

    def wrong(self, folder):
        text = (folder / "report.json").read_text()
        return lost(folder / "notes") + ([] if text in ("old", "new") else [f"it holds {text!r}"])

    def end_wrong(self, folder):
        left = names(folder) - {"report.json", "notes"}
        return self.wrong(folder) + ([f"left: {left}"] if left else [])


class LaneFresh:
    """A lane is made for the first time; pip is played."""

    FILES = 20

    def __init__(self):
        from export.lanes import lane, making, tf217

        self.lane, self.make, self.is_ready = tf217.LANE, making.make_lane, lane.is_ready
        making._step = self.step
        making.find_interpreter = lambda versions: Path(sys.executable)

    def step(self, command, lane, watch):
        if "venv" in command:
            binaries = Path(command[-1], "bin")
            binaries.mkdir(parents=True)
            (binaries / "python").symlink_to(sys.executable)
            (binaries.parent / "lib").mkdir()
        elif "pip" in command:
            library = Path(command[0]).parents[1] / "lib"
            for index in range(self.FILES):
                (library / str(index)).write_text(str(index))

    def reset(self, folder):
        fresh(folder)
        os.environ["KERAS_NETS_LANES"] = str(folder)
        (folder / "notes").write_text(MINE)

    def work(self, folder):
        os.sync = lambda: None
        self.make(self.lane)

    def wrong(self, folder):
        half = self.is_ready(self.lane) and len(names(self.lane.folder / "lib")) != self.FILES
        return lost(folder / "notes") + (["half a lane passes for one"] if half else [])

    def end_wrong(self, folder):
        wrong = self.wrong(folder)
        if not self.is_ready(self.lane):
            wrong.append("no lane")
        left = names(folder) - {self.lane.folder.name, "notes"}
        return wrong + ([f"left: {left}"] if left else [])


class LaneDamaged(LaneFresh):
    """A lane is made in the place of one that is damaged."""

    def reset(self, folder):
        super().reset(folder)
        self.work(folder)
        (self.lane.folder / "bin" / "python").unlink()


class BundleFirst:
    """A first SavedModel is added to a folder that serves."""

    SERVER, FORMAT = "models", "savedmodel"

    def artifact(self, folder):
        from toy_artifact import make_onnx, make_toy

        made = folder.parent / f"{type(self).__name__}-exports" / "toy" / self.FORMAT
        if not made.exists():
            # In a child: TensorFlow's threads would not live through the forks to come.
            code = f"import sys; sys.path[:0] = {sys.path!r}\nimport toy_artifact, pathlib\n"
            make = (make_toy if self.FORMAT == "savedmodel" else make_onnx).__name__
            code += f"toy_artifact.{make}(pathlib.Path({str(made.parents[1])!r}))"
            import subprocess

            subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
        return made

    def reset(self, folder):
        self.source = self.artifact(folder)
        self.before = {p: sha256(p) for p in self.source.rglob("*") if p.is_file()}
        fresh(folder)
        (folder / "my notes.txt").write_text(MINE)

    def add(self, folder):
        from export.serving.bundle import add

        add(self.source, folder)

    def work(self, folder):
        self.add(folder)

    def wrong(self, folder):
        wrong = lost(folder / "my notes.txt")
        wrong += [f"source {p.name} changed" for p, sha in self.before.items() if sha256(p) != sha]
        ledger = folder / "bundle.json"
        models = json.loads(ledger.read_text())["models"] if ledger.exists() else []
        for model in models:
            for number, version in model["versions"].items():
                for name, sha in version["files"].items():
                    path = folder / self.SERVER / model["name"] / number / name
                    if not path.exists():
                        wrong.append(f"the ledger's {number}/{name} is not there")
                    elif sha256(path) != sha:
                        wrong.append(f"the ledger's {number}/{name} is another")
        return wrong

    def end_wrong(self, folder):
        from export.serving.lint import lint

        wrong = self.wrong(folder) + [f"{finding}" for finding in lint(folder)]
        left = [p.name for p in folder.rglob("*") if p.name.endswith((".partial", ".staging"))]
        left += [name for name in names(folder) if name.endswith(".lock")]
        versions = names(folder / self.SERVER / "toy") - {"config.pbtxt"}
        ledger = json.loads((folder / "bundle.json").read_text())["models"][0]["versions"]
        if versions != set(ledger):
            wrong.append(f"versions {versions}, and the ledger has {set(ledger)}")
        return wrong + ([f"left: {left}"] if left else [])


class BundleOnnx(BundleFirst):
    """A first ONNX artifact is added, for Triton."""

    SERVER, FORMAT = "triton", "onnx"


class BundleSecond(BundleFirst):
    """A second version is added."""

    ADDED = 1

    def reset(self, folder):
        kept = folder.parent / f"{type(self).__name__}-before"
        if not kept.exists():
            super().reset(folder)
            for _ in range(self.ADDED):
                self.add(folder)
            shutil.copytree(folder, kept)
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)


class Promote(BundleSecond):
    """The second version becomes the stable one."""

    ADDED = 2

    def work(self, folder):
        from export.serving.bundle import promote

        promote(folder, "toy")


class RanksKept:
    """What an evaluation has found so far is kept."""

    def save(self, folder, count):
        from export.evaluation.ranks import Ranks, RanksFile

        ranks = Ranks(50, 10)
        ranks.best[:count] = 1
        RanksFile(folder / "ranks.npz").save(ranks, now=True)

    def reset(self, folder):
        fresh(folder)
        self.save(folder, 5)

    def work(self, folder):
        from export.evaluation.ranks import RanksFile

        RanksFile(folder / "ranks.npz").load(50, 10)
        self.save(folder, 10)

    def wrong(self, folder):
        from export.evaluation.ranks import RanksFile

        found = int((RanksFile(folder / "ranks.npz").load(50, 10).best[:, 0] >= 0).sum())
        return [] if found in (5, 10) else [f"{found} of 5 or 10 are kept"]

    def end_wrong(self, folder):
        left = names(folder) - {"ranks.npz"}
        return self.wrong(folder) + ([f"left: {left}"] if left else [])


class ConvertNpz:
    """A weights file is written over another one."""

    KIND, ENDING = "npz", ".npz"

    def __init__(self):
        from keras_nets.weights import save

        self.saving = save
        self.models = {value: self.model(value) for value in (1.0, 2.0)}

    def model(self, value):
        import keras
        from keras import layers

        image = keras.Input((4, 4, 3), name="image")
        x = layers.Flatten()(layers.Conv2D(2, 3, name="c1")(image))
        made = keras.Model(image, layers.Dense(3, name="fc")(x), name="toy")
        for variable in made.variables:
            variable.assign(np.full(variable.shape, value, np.float32))
        return made

    def save(self, folder, value):
        path = folder / f"w{self.ENDING}"
        self.saving.save_weights(self.models[value], path, self.KIND, flavour="paddle")

    def reset(self, folder):
        fresh(folder)
        (folder / "notes").write_text(MINE)
        self.save(folder, 1.0)

    def work(self, folder):
        self.save(folder, 2.0)

    def values(self, folder):
        from keras_nets.weights.readers import open_weights

        with open_weights(folder / f"w{self.ENDING}") as file:
            blocks = [b for tensor in file.tensors.values() for _, b in tensor.blocks()]
        return {float(value) for block in blocks for value in np.unique(block)}

    def wrong(self, folder):
        found = self.values(folder)
        good = found in ({1.0}, {2.0})
        return lost(folder / "notes") + ([] if good else [f"the file holds {found}"])

    def end_wrong(self, folder):
        wrong = lost(folder / "notes") + ([] if self.values(folder) == {2.0} else ["not the new"])
        left = names(folder) - {f"w{self.ENDING}", "notes"}
        return wrong + ([f"left: {left}"] if left else [])


class ConvertSafetensors(ConvertNpz):
    KIND, ENDING = "safetensors", ".safetensors"


class ConvertKeras(ConvertNpz):
    KIND, ENDING = "keras", ".weights.h5"


class Download:
    """Published weights are fetched from a server that can go on where a fetch broke off."""

    NET = "squeezenet1_1"

    def __init__(self):
        from keras_nets.weights import download

        self.fetching = download

    def serve(self, data):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                """Say nothing."""

            def do_GET(self):
                asked = self.headers.get("Range")
                goes_on = asked and self.headers.get("If-Range") == '"e1"'
                start = int(asked[6:-1]) if goes_on else 0
                self.send_response(206 if start else 200)
                self.send_header("ETag", '"e1"')
                self.send_header("Content-Length", str(len(data) - start))
                if start:
                    place = f"bytes {start}-{len(data) - 1}/{len(data)}"
                    self.send_header("Content-Range", place)
                self.end_headers()
                try:
                    self.wfile.write(data[start:])
                except OSError:
                    return  # the client was killed

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    def reset(self, folder):
        if not hasattr(self, "data"):
            import framework_files

            source = folder / "source.pdparams"
            tensors = framework_files.random_tensors(self.NET, "paddle")
            framework_files.write_pdparams(source, tensors)
            self.data = source.read_bytes()
            self.url = self.serve(self.data)
        os.environ["KERAS_NETS_CACHE"] = str(fresh(folder))
        (folder / "weights").mkdir()
        (folder / "weights" / "notes").write_text(MINE)

    def work(self, folder):
        self.fetching.fetch_imagenet(
            self.NET, base_urls={"paddle": self.url}, progress=lambda *_: CLOCK.tick()
        )

    def wrong(self, folder):
        path = folder / "weights" / "SqueezeNet1_1_pretrained.pdparams"
        half = path.exists() and path.read_bytes() != self.data
        return lost(folder / "weights" / "notes") + (["the file is half"] if half else [])

    def end_wrong(self, folder):
        kept = {"SqueezeNet1_1_pretrained.pdparams", "notes"}
        kept |= {f"SqueezeNet1_1_pretrained.pdparams{end}" for end in (".sha256", ".lock")}
        left = names(folder / "weights") - kept
        wrong = self.wrong(folder) + ([f"left: {left}"] if left else [])
        there = (folder / "weights" / "SqueezeNet1_1_pretrained.pdparams").exists()
        return wrong + ([] if there else ["no file"])
