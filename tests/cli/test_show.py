"""`nas show` as a user meets it: a space, its architectures, their source, and one clear message."""

import pytest
from nas_command import run


def show(*arguments, capsys):
    return run("show", *arguments, capsys=capsys)


@pytest.fixture
def space(tmp_path):
    file = tmp_path / "tiny.py"
    file.write_text(
        "import nas\nfrom nas import layers as L, oneof\n\n"
        "@nas.space(input=(16, 16, 1), baselines={'first': {}})\n"
        "def tiny(gray):\n    return L.Conv2D(oneof([2, 4]), oneof([1, 3]), name='conv')(gray)\n"
    )
    return f"{file}:tiny"


@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<svg"), (".png", b"\x89PNG")])
def test_without_a_choice_the_space_is_drawn(space, suffix, start, tmp_path, capsys):
    path = tmp_path / f"space{suffix}"
    code, out, _ = show(space, "--out", path, capsys=capsys)
    assert (code, out.strip()) == (0, str(path))
    assert path.read_bytes().startswith(start)


def test_the_space_shows_its_decisions(space, tmp_path, capsys):
    show(space, "--out", tmp_path / "space.svg", capsys=capsys)
    text = (tmp_path / "space.svg").read_text()
    assert "tiny: 4 architectures, 2 decisions" in text
    assert "filters (2): 2, 4" in text


def test_an_architecture_by_index_or_name(space, tmp_path, capsys):
    for option, value, caption in (("--index", 3, "Conv 3x3, 4"), ("--baseline", "first", "Conv 1x1, 2")):
        assert show(space, option, value, "--out", tmp_path / "a.svg", capsys=capsys)[0] == 0
        assert caption in (tmp_path / "a.svg").read_text()


def test_several_random_architectures_are_numbered(space, tmp_path, capsys):
    _, out, _ = show(space, "--sample", 2, "--seed", 1, "--out", tmp_path / "a.svg", capsys=capsys)
    assert out.split() == [str(tmp_path / "a-1.svg"), str(tmp_path / "a-2.svg")]


def test_source_is_printed_instead(space, capsys):
    assert "def build_model() -> keras.Model:" in show(space, "--baseline", "first", "--source", capsys=capsys)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "a.gif"], "error: --out: .gif is not a picture format, expected .svg or .png."),
        (
            ["--index", "1", "--sample", "1"],
            "error: --index and --sample: they name different architectures. Give one of them.",
        ),
        (["--source"], "error: --source: source code is of one architecture. Add --index, --baseline or --sample 1."),
        (
            ["--out", "missing/a.svg"],
            "error: missing/a.svg: cannot write there (No such file or directory). Choose another place.",
        ),
    ],
)
def test_a_mistake_gets_one_clear_message(space, arguments, message, capsys):
    code, _, err = show(space, *arguments, capsys=capsys)
    assert code == 2
    assert message in " ".join(err.split())
