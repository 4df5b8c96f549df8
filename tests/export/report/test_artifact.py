"""Artifacts that are not what they say, or that lead elsewhere, are never served."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_artifact import make_onnx, make_tftrt, write_report

from export.errors import ArtifactError, ExportError
from export.report import artifact
from export.report.artifact import read_artifact
from export.report.entries import RANDOM_WEIGHTS
from export.results import Verdict
from export.serving.bundle import add
from export.serving.ledger import read_ledger


@pytest.fixture
def onnx(tmp_path):
    return make_onnx(tmp_path / "exports")


@pytest.fixture
def deploy(tmp_path):
    return tmp_path / "deploy"


def list_too(folder, name, content=b"evil"):
    """Have the report of `folder` list `name` too, with the hash of `content`."""
    report = json.loads((folder / "report.json").read_text())
    report["artifact"]["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / "report.json").write_text(json.dumps(report))


def everything_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_report_whose_options_and_contract_differ_is_refused(export_toy):
    folder = Path(export_toy("plain", "onnx").folder)
    content = json.loads((folder / "report.json").read_text())
    assert read_artifact(folder).contract.classifier.classes == content["options"]["classes"]
    content["options"]["classes"] += 1
    with pytest.raises(ValueError, match="its options and its contract differ"):
        artifact._contract(content)


@pytest.mark.parametrize("lead", ["", "1/", "./", "x/../", "x/../../"])
def test_no_name_in_a_report_leads_out_of_the_serving_folder(tmp_path, deploy, lead):
    folder = make_tftrt(tmp_path / "exports")
    victim = tmp_path / "home" / ".bashrc"
    victim.parent.mkdir()
    victim.write_text("# precious\n")
    name = f"{lead}{victim}"
    if lead.startswith("1"):
        hidden = folder / "1" / str(victim)[1:]
        hidden.parent.mkdir(parents=True)
        hidden.write_bytes(b"evil")
    list_too(folder, name)
    before = everything_below(tmp_path)
    with pytest.raises(ArtifactError, match="cannot name a file") as caught:
        add(folder, deploy)
    assert "\n" not in str(caught.value)
    assert victim.read_text() == "# precious\n"
    assert everything_below(tmp_path) == before


def a_link(path):
    path.with_name("elsewhere").write_bytes(b"evil")
    path.symlink_to("elsewhere")


def a_pipe(path):
    os.mkfifo(path)


def a_folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "text"), [(a_link, "is a link"), (a_pipe, "no regular"), (a_folder, "no regular")]
)
def test_a_file_of_an_artifact_that_is_no_file_is_refused(onnx, deploy, make, text):
    make(onnx / "labels.txt")
    list_too(onnx, "labels.txt")
    with pytest.raises(ArtifactError, match=text):
        add(onnx, deploy)
    assert not deploy.exists()


def test_a_file_behind_a_linked_folder_is_refused(onnx, deploy, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_bytes(b"evil")
    (onnx / "assets").symlink_to(tmp_path / "secrets")
    list_too(onnx, "assets/key")
    with pytest.raises(ArtifactError, match="is a link"):
        add(onnx, deploy)
    assert not deploy.exists()


def test_nothing_is_written_before_every_hash_was_compared(onnx, deploy):
    (onnx / "z.txt").write_bytes(b"other")
    list_too(onnx, "z.txt")
    with pytest.raises(ArtifactError, match="not what was verified"):
        add(onnx, deploy)
    assert not deploy.exists()


@pytest.mark.parametrize(
    "name", ["1/assets.extra/tf_serving_warmup_requests", "1/batching_params.pbtxt"]
)
def test_what_bundling_writes_itself_is_never_written_through_an_artifacts_file(
    tmp_path, deploy, name
):
    folder = make_tftrt(tmp_path / "exports")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"evil")
    list_too(folder, name)
    with pytest.raises(ArtifactError, match="bundling makes itself"):
        add(folder, deploy)
    assert (folder / name).read_bytes() == b"evil"  # a hard link would have shared the new text


def test_a_model_that_has_no_servable_name_is_served_under_another(onnx, deploy):
    write_report(onnx, model="Мой Model", format="onnx")
    with pytest.raises(ArtifactError, match="--name, such as Model"):
        add(onnx, deploy)
    assert add(onnx, deploy, name="pets").folder == deploy / "triton" / "pets" / "1"


def test_an_onnx_artifact_without_its_file_is_refused(onnx, deploy):
    (onnx / "model.onnx").rename(onnx / "other.onnx")
    write_report(onnx, format="onnx")
    with pytest.raises(ExportError, match=r"lists no model\.onnx; export it again"):
        add(onnx, deploy)


def test_what_was_never_checked_goes_into_the_ledger_and_the_answer(tmp_path, deploy):
    folder = make_tftrt(tmp_path / "exports")
    checks = [
        {"name": "parity", "status": "passed"},
        {"name": "engine", "status": "skipped", "note": "needs a GPU"},
    ]
    write_report(folder, format="tftrt-fp16", checks=checks, warnings=["pixels were not tried"])
    remarks = (RANDOM_WEIGHTS, "pixels were not tried", "engine was never checked: needs a GPU")
    added = add(folder, deploy)
    assert (added.verdict, added.remarks) == ("verified except engine", remarks)
    (version,) = read_ledger(deploy).find("tf-serving", "toy").versions.values()
    assert (version.verdict, version.remarks) == (added.verdict, remarks)


def test_an_artifact_that_failed_is_read_and_not_served(onnx, deploy):
    checks = [{"name": "parity", "status": "failed"}]
    write_report(onnx, format="onnx", checks=checks)
    assert not read_artifact(onnx).passed
    with pytest.raises(ArtifactError, match=r"failed its verification \(parity\); export it again"):
        add(onnx, deploy)
    write_report(onnx, format="onnx", passed=False)
    with pytest.raises(ArtifactError, match=r"failed its verification \(no check named\)"):
        add(onnx, deploy)


def test_a_reports_sentences_cannot_steer_a_terminal_nor_fill_it(onnx):
    checks = [{"name": "engine", "status": "skipped", "note": "\x1b[2Jgone\n" + "x" * 10_000}]
    write_report(onnx, format="onnx", checks=checks, weights={"source": "vgg13.pdparams"})
    (remark,) = read_artifact(onnx).unchecked
    assert remark.isprintable()
    assert len(remark) < 400


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def entries(content, path=()):
    """The path to every entry of a report."""
    for key, value in content.items() if isinstance(content, dict) else ():
        yield (*path, key)
        yield from entries(value, (*path, key))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data(), value=ANYTHING)
def test_whatever_stands_in_an_entry_is_read_or_refused_in_one_line(onnx, data, value):
    content = report = json.loads((onnx / "report.json").read_text())
    try:
        *above, last = data.draw(st.sampled_from(list(entries(content))))
        for key in above:
            content = content[key]
        before, content[last] = content[last], value
        (onnx / "report.json").write_text(json.dumps(report))
        found = read_artifact(onnx)
        assert isinstance(found.model, str) and isinstance(found.verdict, Verdict)
        assert found.origin in {found.origin: found.unchecked}
    except ArtifactError as error:
        assert str(error).isprintable() and len(str(error)) < 1000
    finally:
        content[last] = before
        (onnx / "report.json").write_text(json.dumps(report))
