"""sidecar: text to what is asked for, and that to jobs."""

from __future__ import annotations

import json
import random
import tracemalloc
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nst_batch.errors import ProblemsError, UsageError
from nst_batch.reasons import Reason
from nst_batch.sidecar.expand import SidecarRules, expand, parse_sidecar, sidecar_schema
from nst_batch.sidecar.filetree import DiskTree
from nst_batch.sidecar.folder import parse_defaults, parse_folder
from nst_batch.sidecar.pairs import patch_from_pairs
from nst_batch.sidecar.resolver import FileRef, FileResolver
from nst_batch.sidecar.settings import Patch, priority_note

PAIR = "content: a.jpg\nstyle: b.jpg\n"
DOCS = Path(__file__).parents[2] / "docs" / "sidecar.md"


class Folder:
    """A resolver over names: each reference means what stands beside it, or itself."""

    def __init__(self, **matches: list[str]) -> None:
        self.matches = matches

    def find(self, reference, role):
        if reference.startswith("missing"):
            return ()
        if reference.startswith("denied"):
            raise PermissionError(13, "Permission denied", "/inbox/closed")
        names = self.matches.get(reference.strip("*"), [reference])
        return tuple(self.ref(name) for name in names)

    def suggest(self, reference, role):
        return ""

    @staticmethod
    def ref(name):
        refusal = Reason("path_outside", f"{name} is a link", "no") if name.startswith("link") else None
        return FileRef(name, name, kind="link" if refusal else "file", refusal=refusal)


def refused(text, source="dusk.yaml", **rules) -> ProblemsError:
    with pytest.raises(ProblemsError) as caught:
        parse_sidecar(text, source, SidecarRules(**rules))
    return caught.value


def jobs(text, folder=None, source="dusk.yaml", **rules):
    return expand(parse_sidecar(text, source, SidecarRules(**rules)), folder or Folder()).jobs


def named(job):
    return [(each.role, each.file.name, each.weight) for each in job.inputs]


def test_a_pair():
    """Two lines make one job, named after the sidecar, with every setting resolved."""
    (job,) = jobs(PAIR, source="evening/dusk.yaml")
    assert (job.title, job.output) == ("dusk", "")
    assert named(job) == [("content", "a.jpg", 1.0), ("style", "b.jpg", 1.0)]
    assert job.settings.epochs == 4
    assert job.refusal is None


def test_all_keys():
    """Title, folder and settings arrive in the job; the text as read is kept for job.json."""
    text = PAIR + "title: Dusk\noutput: 2024/walk/\nsize: 256\nsave_epoch: true\nscales: 3\npriority: 7\n"
    request = parse_sidecar(text, "x.yaml")
    (job,) = expand(request, Folder()).jobs
    assert (job.title, job.output) == ("Dusk", "2024/walk")
    assert (job.settings.size, job.settings.save_epoch, job.settings.scales, job.settings.priority) == (256, True, 3, 7)
    assert json.loads(json.dumps(request.parsed)) == yaml.safe_load(text)


def test_aliases():
    """The longer names mean the same; both at once are an error."""
    (job,) = jobs("path_content: a.jpg\npath_style: b.jpg\npath_output: there\n")
    assert (named(job)[0], job.output) == (("content", "a.jpg", 1.0), "there")
    error = refused(PAIR + "path_style: c.jpg\npath_content: d.jpg\n")
    assert [problem.line for problem in error.problems] == [3, 4]
    assert "says the same as style" in str(error)


def test_required():
    """A sidecar without an image says so for each, and what to write."""
    error = refused("title: x\n")
    assert [problem.key for problem in error.problems] == ["content", "style"]
    assert "'content: picture.jpg'" in str(error)
    assert len(refused("").problems) == 2


@pytest.mark.parametrize(
    ("line", "keys"),
    [("stile: b.jpg", ["stile"]), ("Styles: b.jpg", ["Styles"]), ("style_wight: 2", ["style", "style_wight"])],
)
def test_a_key_that_is_misspelt_is_not_missing_as_well(line: str, keys: list[str]):
    """It is told once, where it stands; what is only a little like a required key is another one."""
    assert [problem.key for problem in refused(f"content: a.jpg\n{line}\n").problems] == keys


def test_all_problems_at_once():
    """Every kind of problem is told in one go, with its line, in the order of lines."""
    text = (
        "content: [a.jpg, 5]\nstyel: b.jpg\ntitle: a/b\noutput: running\n"
        "size: 5\npreset: finest\nstyle_layers: [block1]\n"
    )
    error = refused(text)
    assert error.code == "sidecar_invalid"
    assert [problem.line for problem in error.problems] == [1, 2, 3, 4, 5, 6, 7]
    assert "content.1" in str(error)
    assert "did you mean 'style'" in str(error)
    assert "did you mean 'style'" in str(refused("content: a.jpg\nstile: b.jpg\n"))
    assert "did you mean 'scales'" in str(refused(PAIR + "scale: 2\n"))
    assert "did you mean 'fine'" in str(error)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("content: ../a.jpg\nstyle: /b.jpg\n", "path_outside"),
        (PAIR + "init: ../first.png\n", "path_outside"),
        (PAIR + "init: /first.png\n", "path_outside"),
        (PAIR + "mask: ../sky.png\n", "path_outside"),
        ("content: https://example.org/a.jpg\nstyle: ~/b.jpg\n", "path_outside"),
        (PAIR + "output: ../x\n", "path_outside"),
        (PAIR + "output: /x\n", "path_outside"),
        (PAIR + "title: a/b\n", "title_invalid"),
        (PAIR + "title: '{foo}'\n", "title_invalid"),
        (PAIR + "title: ' '\n", "title_invalid"),
        (PAIR + "title: a/b\noutput: ../x\n", "sidecar_invalid"),
        (PAIR + "x: " + "y" * 70_000, "sidecar_too_large"),
        ("content: [" + "a.jpg, " * 101 + "]\nstyle: [" + "b.jpg, " * 10 + "]\n", "too_many_jobs"),
        (PAIR + "content_weight: 0\nstyle_weight: 0\n", "sidecar_invalid"),
        ("content: [" + "'*.jpg', " * 101 + "]\nstyle: b.jpg\n", "sidecar_invalid"),
        (PAIR + "output: Failed/x\n", "sidecar_invalid"),
        (PAIR + "title: 7\n", "sidecar_invalid"),
        (PAIR + "title: ''\n", "title_invalid"),
        (PAIR + "output: 7\n", "sidecar_invalid"),
        ("content: {}\nstyle: b.jpg\n", "sidecar_invalid"),
        ("content: []\nstyle: b.jpg\n", "sidecar_invalid"),
        ("content: ''\nstyle: b.jpg\n", "sidecar_invalid"),
        ("content: a.yaml\nstyle: b.jpg\n", "sidecar_invalid"),
    ],
)
def test_codes(text, code):
    """A reason is stable, and as narrow as all problems allow."""
    assert refused(text).code == code


@pytest.mark.parametrize(("size", "fix"), [("64.0", "write 64"), ("ful", "did you mean 'full'?"), ("12", "")])
def test_a_size_that_is_none_comes_with_the_one_that_was_meant(size, fix):
    """As any other number does."""
    (problem,) = refused(PAIR + f"size: {size}\n").problems
    assert problem.fix == fix


def test_content_is_no_mapping():
    """Only styles can be blended."""
    assert "not a mapping" in str(refused("content: {a.jpg: 1}\nstyle: b.jpg\n"))


def test_grid_in_natural_order():
    """Each content with each style, contents outermost, lists as written, globs as people count."""
    folder = Folder(p=["img2.jpg", "img10.jpg"])
    found = jobs("content: [z.jpg, '*p*']\nstyle: [t.png, s.png]\n", folder)
    assert [job.title for job in found] == ["z-t", "z-s", "img2-t", "img2-s", "img10-t", "img10-s"]


def test_the_same_file_counts_once():
    """A file that two references mean makes no second job."""
    assert len(jobs("content: [a.jpg, '*p*']\nstyle: [b.jpg, b.jpg]\n", Folder(p=["a.jpg", "c.jpg"]))) == 2


def test_titles():
    """One job takes the sidecar's stem, several the template; a plain title stays as it is for all."""
    assert [job.title for job in jobs("content: '*p*'\nstyle: b.jpg\n", Folder(p=["a.jpg"]))] == ["dusk"]
    assert [job.title for job in jobs("content: [a.jpg, c.jpg]\nstyle: b.jpg\n")] == ["a-b", "c-b"]
    both = "content: [a.jpg, c.jpg]\nstyle: b.jpg\n"
    assert [job.title for job in jobs(both + "title: Dusk\n")] == ["Dusk", "Dusk"]
    assert [job.title for job in jobs(both + 'title: "{style} on {content}"\n')] == ["b on a", "b on c"]
    assert [job.title for job in jobs(PAIR + 'title: "{content}"\n')] == ["a"]


def test_titles_that_come_out_wrong():
    """A name that is no title is told with the advice to give one."""
    with pytest.raises(ProblemsError) as caught:
        jobs(PAIR, source="what?.yaml")
    assert caught.value.code == "title_invalid"
    assert "give a title" in str(caught.value)
    with pytest.raises(ProblemsError) as caught:
        jobs('content: "*p*"\nstyle: b.jpg\ntitle: "{content}"\n', Folder(p=["a:b.jpg", "c.jpg", ".d .jpg"]))
    assert len(caught.value.problems) == 2


def test_missing_images_wait():
    """What is missing is named with its line; the jobs whose files are there are known."""
    request = parse_sidecar("content: [a.jpg, missing.jpg]\n\nstyle: b.jpg\n", "dusk.yaml")
    expansion = expand(request, Folder())
    ((missing),) = expansion.missing
    assert (missing.reference, missing.role, missing.line) == ("missing.jpg", "content", 1)
    assert [job.title for job in expansion.jobs] == ["a-b"]
    expansion = expand(parse_sidecar("content: a.jpg\nstyle: 'missing*'\n", "dusk.yaml"), Folder())
    assert expansion.jobs == ()
    assert expansion.missing[0].why == "no image matches missing*"


def test_no_permission_waits():
    """A folder that may not be looked into is told as such, not as an empty one."""
    expansion = expand(parse_sidecar("content: denied/a.jpg\nstyle: b.jpg\n", "dusk.yaml"), Folder())
    assert "no permission to look into /inbox/closed" in expansion.missing[0].why


def test_one_bad_file_fails_its_own_job():
    """A link among many spoils the jobs that it is in, no other."""
    found = jobs("content: [a.jpg, link.jpg]\nstyle: [b.jpg, c.jpg]\n")
    assert [bool(job.refusal) for job in found] == [False, False, True, True]
    assert found[2].refusal.code == "path_outside"


def test_at_most_so_many_jobs():
    """A grid beyond the limit is refused whole; one at it is made."""
    rules = {"max_jobs": 6}
    folder = Folder(p=[f"{n}.jpg" for n in range(3)])
    assert len(jobs("content: '*p*'\nstyle: [a.jpg, b.jpg]\n", folder, **rules)) == 6
    with pytest.raises(ProblemsError) as caught:
        jobs("content: '*p*'\nstyle: [a.jpg, b.jpg, c.jpg]\n", folder, **rules)
    assert caught.value.code == "too_many_jobs"


def test_a_priority_counts_for_no_more_than_the_config_lets_it():
    """A higher one is no mistake, and is told of; a lower one stays."""
    (job,) = jobs(PAIR + "priority: 50\n", max_priority=10)
    assert job.settings.priority == 10
    request = parse_sidecar(PAIR + "priority: 50\n", "dusk.yaml", SidecarRules(max_priority=10))
    assert "priority 50 counts as 10" in priority_note(request.parsed, request.settings)
    assert "limits.max_priority" in priority_note(request.parsed, request.settings)
    (job,) = jobs(PAIR + "priority: -5\n", max_priority=10)
    assert job.settings.priority == -5
    for text in ("priority: 10\n", ""):
        request = parse_sidecar(PAIR + text, "dusk.yaml", SidecarRules(max_priority=10))
        assert priority_note(request.parsed, request.settings) == ""


def test_rules_of_the_config():
    """Defaults and the default folder of config.yaml count where the sidecar is silent."""
    rules = {"defaults": Patch(epochs=3, seed=5), "output": "there"}
    (job,) = jobs(PAIR + "seed: 6\n", **rules)
    assert (job.settings.epochs, job.settings.seed, job.output) == (3, 6, "there")
    (job,) = jobs(PAIR + "output: .\n", **rules)
    assert job.output == ""
    assert "leaves nothing" in str(refused(PAIR + "style_weight: 0", defaults=Patch(content_weight=0)))


def test_blends():
    """A mapping of styles makes one job with all of them by weight; it waits for each."""
    (job,) = jobs("content: a.jpg\nstyle: {b.jpg: 0.7, c.jpg: 0.3}\ntitle: '{content}-{style}'\n")
    assert named(job)[1:] == [("style", "b.jpg", 0.7), ("style", "c.jpg", 0.3)]
    assert job.title == "a-b+c"
    expansion = expand(parse_sidecar("content: a.jpg\nstyle: {b.jpg: 1, missing.jpg: 1}\n", "x.yaml"), Folder())
    assert expansion.jobs == ()
    assert len(expansion.missing) == 1
    for wrong in ("{b.jpg: -1}", "{b.jpg: x}", "{b.jpg: 0}", "{../b.jpg: 1}"):
        assert refused(f"content: a.jpg\nstyle: {wrong}\n")


def test_a_pattern_in_a_blend_means_one_image():
    """Two would leave nobody knowing their weights: an error with its line, and never a sidecar without a job."""
    blend = "content: a.jpg\nstyle: {'*p*': 0.7, c.jpg: 0.3}\n"
    (job,) = jobs(blend, Folder(p=["p1.jpg"]))
    assert named(job)[1:] == [("style", "p1.jpg", 0.7), ("style", "c.jpg", 0.3)]
    with pytest.raises(ProblemsError, match=r"line 2, style: \*p\* means 2 images.*each image with its weight"):
        jobs(blend, Folder(p=["p1.jpg", "p2.jpg"]))
    with pytest.raises(ProblemsError, match=r"means 3 images"):
        jobs("content: a.jpg\nstyle: {'*p*': 1}\n", Folder(p=["p1.jpg", "p2.jpg", "p3.jpg"]))


def test_start_images():
    """An image to start from is an input of its own role."""
    (job,) = jobs(PAIR + "init: first.png\n")
    assert [each.role for each in job.inputs] == ["content", "style", "init"]
    assert job.settings.init == "first.png"
    expansion = expand(parse_sidecar(PAIR + "init: missing.png\n", "x.yaml"), Folder())
    assert (expansion.jobs, expansion.missing[0].role) == ((), "init")
    with pytest.raises(ProblemsError, match=r"line 3.*means 2 images, and it is to be one"):
        jobs(PAIR + "init: '*.png'\n", Folder(**{".png": ["first.png", "second.png"]}))


def test_masks():
    """A mask is an input of its own role, beside a start too; `none` is no image."""
    (job,) = jobs(PAIR + "init: first.png\nmask: masks/sky.png\n", Folder(**{"masks/sky.png": ["sky.png"]}))
    assert [each.role for each in job.inputs] == ["content", "style", "init", "mask"]
    assert (job.settings.init, job.settings.mask) == ("first.png", "sky.png")
    expansion = expand(parse_sidecar(PAIR + "init: first.png\nmask: missing.png\n", "x.yaml"), Folder())
    assert (expansion.jobs, [lost.role for lost in expansion.missing]) == ((), ["mask"])
    defaults = SidecarRules(defaults=Patch(mask="sky.png"))
    assert parse_sidecar(PAIR, "x.yaml", defaults).more == (("mask", "sky.png"),)
    assert parse_sidecar(PAIR + "mask: none\n", "x.yaml", defaults).more == ()


def test_on_real_files(tmp_path):
    """The way from a text and a folder to the files of each job."""
    for name in ("photos/img2.jpg", "photos/img10.jpg", "photos/s.png", "dusk.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    request = parse_sidecar("content: 'photos/img*'\nstyle: photos/s.png\n", "dusk.yaml")
    found = expand(request, FileResolver(DiskTree(tmp_path))).jobs
    assert [job.inputs[0].file.path for job in found] == ["photos/img2.jpg", "photos/img10.jpg"]
    assert [job.title for job in found] == ["img2-s", "img10-s"]


def test_a_character_that_nobody_sees_in_a_name_that_was_typed_is_named(tmp_path):
    """Copied from a web page, say; the name that is there looks the same."""
    (tmp_path / "waves.png").touch()
    request = parse_sidecar("content: wav\u200bes.png\nstyle: waves.png\n", "a.yaml")
    (missing,) = expand(request, FileResolver(DiskTree(tmp_path))).missing
    assert "with U+200B zero width space" in missing.why
    assert missing.hint == "did you mean waves.png?"


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("photo #3.png", "a name with # in it goes in quotes; did you mean photo #3.png?"),
        ("waves.PNG", "did you mean Waves.png?"),
        ("inbox/Waves.png", "did you mean Waves.png?"),
        ("Shot 9.22 PM.png", "did you mean Shot 9.22\u00a0PM.png (with U+00A0 no-break space) or Shot "),
        ("quite_another.png", ""),
        ("Wav*.gif", ""),
    ],
)
def test_a_missing_image_comes_with_what_was_probably_meant(tmp_path, written, hint):
    """The case, a comment that cuts a name off, a character that nobody sees."""
    for name in ("photo #3.png", "Waves.png", "Shot 9.22\u202fPM.png", "Shot 9.22\u00a0PM.png"):
        (tmp_path / name).touch()
    request = parse_sidecar(f"content: {written}\nstyle: Waves.png\n", "a.yaml")
    (missing,) = expand(request, FileResolver(DiskTree(tmp_path))).missing
    assert hint in missing.hint
    assert bool(hint) == bool(missing.hint)


def test_pairs_of_the_command_line():
    """KEY=VALUE words read like a sidecar's lines."""
    patch = patch_from_pairs(["size=256", "style_layers=[block1_conv1]", "save_epoch=true", "stop_when_flat = 0.5"])
    assert patch.written() == {
        "size": 256,
        "style_layers": {"block1_conv1": 1.0},
        "save_epoch": True,
        "stop_when_flat": 0.5,
    }
    assert patch_from_pairs([]).written() == {}


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["size"], "is not KEY=VALUE"),
        (["=5"], "is not KEY=VALUE"),
        (["size=5", "epocs=3"], "did you mean 'epochs'"),
        (["size="], "no value"),
        (["size=[1"], "not YAML"),
        (["preset=finest"], "did you mean 'fine'"),
        (["content=a.jpg"], "content: is not set so: it is the first word of the command"),
    ],
)
def test_wrong_pairs(pairs, words):
    """Wrong words are a matter of usage, told all at once."""
    with pytest.raises(UsageError) as caught:
        patch_from_pairs(pairs)
    assert words in str(caught.value)
    assert caught.value.exit_code == 2


def told(error: ProblemsError, *codes: str) -> None:
    assert error.problems
    assert not codes or error.code in codes


def harmless(text) -> bool:
    """Whether ``text`` is read; any error but the proper one is raised."""
    try:
        request = parse_sidecar(text, "dusk.yaml")
    except ProblemsError as error:
        told(error)
        return False
    try:
        expand(request, Folder())
    except ProblemsError as error:
        told(error, "too_many_jobs", "title_invalid")
    json.dumps(request.parsed)
    return True


WORDS = st.sampled_from(
    [
        "content",
        "style",
        "title",
        "size",
        "style_layers",
        "a.jpg",
        "*.jpg",
        "{content}",
        "block1_conv1",
        "full",
        "../x",
        ".nan",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([*Patch.model_fields, "content", "style", "title", "output", "path_style", "path_content"])


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS | st.text(max_size=5), VALUES, max_size=6))
def test_any_values(data):
    """Any value under any key is read or refused with its problems, never anything else."""
    harmless(yaml.safe_dump({"content": "a.jpg", "style": "b.jpg"} | data, allow_unicode=True))


def test_mutations():
    """A whole sidecar with its lines and bytes garbled is read or refused properly."""
    whole = (PAIR + 'title: "{content}"\nsize: 256\nstyle_layers: {block1_conv1: 1}\nscales: 2\nformat: jpg\n').encode()
    generator = random.Random(11)
    counts = [0, 0]
    for _ in range(1500):
        body = bytearray(whole)
        for _ in range(generator.randint(1, 3)):
            at = generator.randrange(len(body))
            body[at : at + generator.randint(0, 3)] = generator.choice(
                [
                    generator.randbytes(2),
                    b" ",
                    b"\n",
                    b": ",
                    b"[",
                    b"{",
                    b"*",
                    b"&a ",
                    b"-1",
                    b"e9",
                    b"../",
                    b"\x00",
                    b"'",
                ]
            )
        counts[harmless(bytes(body))] += 1
    assert min(counts) > 50


def test_many_waiting_sidecars_are_small():
    """Ten thousand waiting sidecars must fit beside everything else: equal settings are one object."""
    first = parse_sidecar(PAIR, "first.yaml")
    tracemalloc.start()
    held = [parse_sidecar(f"content: {n}.jpg\nstyle: b.jpg\nsize: 300\n", f"{n}.yaml") for n in range(300)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / len(held) < 2500
    assert held[0].settings is held[1].settings
    assert first.settings is parse_sidecar(PAIR, "second.yaml").settings


def examples() -> list[str]:
    """The YAML blocks of docs/sidecar.md."""
    return [block.split("```")[0] for block in DOCS.read_text("utf-8").split("```yaml\n")[1:]]


def test_examples_of_the_docs():
    """Every example that the reference shows is right, by the program and by the schema."""
    assert len(examples()) >= 5
    validator = jsonschema.Draft202012Validator(sidecar_schema())
    for text in examples():
        head = text.split("\n")[0]
        if "folder.yaml" in head:
            assert parse_folder(text.encode(), "folder.yaml", SidecarRules())
        elif "defaults.yaml" in head:
            assert parse_defaults(text.encode(), "defaults.yaml", SidecarRules()).written
        else:
            assert parse_sidecar(text, "example.yaml")
            validator.validate(yaml.safe_load(text))


def test_every_key_is_documented():
    """No key is missing from the reference."""
    text = DOCS.read_text("utf-8")
    for key in sidecar_schema()["properties"]:
        assert f"`{key}`" in text, key


def test_schema_is_one():
    """The schema is valid, describes every key, and knows nothing of null."""
    schema = sidecar_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert all(part.get("description") for part in schema["properties"].values())
    assert "null" not in json.dumps(schema)


@pytest.mark.parametrize(
    "text",
    [
        "style: b.jpg",
        PAIR + "path_content: c.jpg",
        PAIR + "output: a\npath_output: b",
        PAIR + "epocs: 5",
        PAIR + "size: 5",
        PAIR + "size: huge",
        PAIR + "style_layers: [block9]",
        PAIR + "style_layers: {block1_conv1: -1}",
        PAIR + "format: jpeg",
        PAIR + "save_epoch: 1",
        "content: []\nstyle: b.jpg",
        "content: 5\nstyle: b.jpg",
    ],
)
def test_schema_refuses_what_the_program_refuses(text):
    """An editor with the schema marks what the program would refuse."""
    assert refused(text)
    assert not jsonschema.Draft202012Validator(sidecar_schema()).is_valid(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("parts", "blend"),
    [
        ("  - wave.jpg: 0.5\n  - starry.jpg: 0.5\n", "{wave.jpg: 0.5, starry.jpg: 0.5}"),
        ('  - "a, b.jpg": 2\n  - {c.jpg: 1, d.jpg: 0.25}\n', '{"a, b.jpg": 2, c.jpg: 1, d.jpg: 0.25}'),
        ("".join(f"  - a-picture-with-a-long-name-{n}.jpg: 1\n" for n in range(20)), "{a.jpg: 0.7, b.jpg: 0.3}"),
    ],
)
def test_a_blend_written_as_a_list_is_shown_as_it_is_meant(parts: str, blend: str) -> None:
    """Quotes would make it a name that is nowhere."""
    with pytest.raises(ProblemsError) as caught:
        parse_sidecar(f"content: a.png\nstyle:\n{parts}", "a.yaml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (2, "style")
    assert problem.fix == f"write a blend as one mapping: {blend}"
    if "0.7" not in blend:
        assert parse_sidecar(f"content: a.png\nstyle: {blend}\n", "a.yaml").blend
