"""config: where the file is found, what each key takes, what is wrong with it."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from nst_batch.config.load import MAX_CONFIG_KB, Config, config_schema, find_config, load_config, parse_config
from nst_batch.errors import ProblemsError, SetupError
from nst_batch.reasons import KNOWN

HERE = Path(__file__).parents[2]
DOCS = HERE / "docs" / "config.md"


def read(text, folder="/srv/studio") -> Config:
    return parse_config(text, Path(folder) / "config.yaml")


def refused(text) -> ProblemsError:
    with pytest.raises(ProblemsError) as caught:
        read(text)
    assert caught.value.exit_code == 78
    return caught.value


def test_defaults():
    """An empty config is the defaults that docs/config.md promises, with folders beside the file."""
    config = read("")
    assert (config.inbox, config.outbox, config.library) == (Path("/srv/studio/inbox"), Path("/srv/studio/outbox"), ())
    assert (config.weights, config.device, config.after) == ("auto", "auto", "archive")
    assert config.defaults.written() == {}
    watch, jobs, limits = config.watch, config.jobs, config.limits
    assert (watch.settle_seconds, watch.rescan_seconds, watch.incomplete_after, watch.polling) == (5, 30, 3600, "auto")
    assert (jobs.attempts, jobs.backoff_seconds, jobs.stall_timeout, jobs.checkpoint_seconds) == (3, (60, 300), 600, 60)
    assert (limits.max_megapixels, limits.max_file_mb, limits.max_sidecar_kb) == (50, 100, 64)
    assert (limits.max_jobs, limits.min_free_gb, limits.max_priority) == (1000, 2, 1_000_000)


def test_shipped_file_shows_the_defaults():
    """The config.yaml that is shipped says every key with its default, and passes its schema."""
    text = (HERE / "config.yaml").read_text("utf-8")
    assert read(text) == read("")
    shipped = yaml.safe_load(text)
    properties = config_schema()["properties"]
    assert set(shipped) == set(properties)
    for part in ("watch", "jobs", "limits"):
        assert set(shipped[part]) == set(config_schema()["$defs"][part.capitalize()]["properties"])
    jsonschema.Draft202012Validator(config_schema()).validate(shipped)


def test_all_keys():
    """Each key arrives, paths absolute, durations in seconds."""
    config = read(
        "inbox: ../in\noutbox: /out\nlibrary: [styles, /more]\nweights: vgg19.h5\ndevice: [0, 2]\nafter: keep\n"
        "defaults: {epochs: 3, output: there, style_layers: [block1_conv1]}\n"
        "watch: {settle_seconds: 0.5, rescan_seconds: 10s, incomplete_after: 2d, polling: true}\n"
        "jobs: {attempts: 1, backoff_seconds: [1m, 5], stall_timeout: 1.5h, checkpoint_seconds: 5}\n"
        "limits: {max_megapixels: 0.5, max_file_mb: 1, max_sidecar_kb: 1, max_jobs: 1, min_free_gb: 0,"
        " max_priority: 4}\n"
    )
    assert (config.inbox, config.outbox) == (Path("/srv/in"), Path("/out"))
    assert config.library == (Path("/srv/studio/styles"), Path("/more"))
    assert (config.weights, config.device, config.after) == ("/srv/studio/vgg19.h5", (0, 2), "keep")
    assert (config.watch.rescan_seconds, config.watch.incomplete_after, config.watch.polling) == (10, 172800, True)
    assert (config.jobs.backoff_seconds, config.jobs.stall_timeout) == ((60, 5), 5400)
    rules = config.sidecar_rules()
    assert (rules.output, rules.max_sidecar_kb, rules.max_jobs, rules.max_priority) == ("there", 1, 1, 4)
    assert rules.defaults.written() == {"epochs": 3, "style_layers": {"block1_conv1": 1.0}}
    assert read("defaults: {path_output: there}").sidecar_rules().output == "there"
    assert read("weights: untrained").weights == "untrained"


def test_home(monkeypatch):
    """~ is the home folder; one that is not there is an error, wherever a path may stand."""
    monkeypatch.setenv("HOME", "/home/ada")
    assert read("inbox: ~/in").inbox == Path("/home/ada/in")
    for text in ("inbox: {}", "library: [a, {}]", "weights: {}", "metrics: {}.prom", "hooks: {{done: [{}]}}"):
        with pytest.raises(ProblemsError, match="there is no user no-such-user-here here; write the whole path"):
            read(text.format("~no-such-user-here/in"))
    with pytest.raises(SetupError, match="--config: '~no-such-user-here/x' means nothing"):
        find_config("~no-such-user-here/x", environ={})


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("/", "/ is all of this system"),
        ("~", "is a whole home folder"),
        ("/home", "holds a whole home folder, /home/ada"),
    ],
)
def test_a_library_is_no_whole_home(folder, words, monkeypatch):
    """Any image of it could be had painted by who may write a sidecar."""
    monkeypatch.setenv("HOME", "/home/ada")
    with pytest.raises(ProblemsError, match=words):
        read(f"library: [styles, '{folder}']")
    assert read("library: ['~/styles']").library == (Path("/home/ada/styles"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("inbx: a", "did you mean 'inbox'"),
        ("inbox: 5", "a folder's name, as text, not 5; put it in quotes"),
        ("inbox: ''", "a folder's name"),
        ("inbox:", "no value"),
        ("library: styles", "write it as [folder]"),
        ("library: [5]", "library.0"),
        ("weights: 5", "auto, untrained or a path"),
        ("device: tpu", "auto, cpu, gpu or a list"),
        ("device: 0", "write [0]"),
        ("device: []", "auto, cpu, gpu or a list"),
        ("device: [0, 0]", "different"),
        ("device: [-1]", "auto, cpu, gpu or a list"),
        ("device: [true]", "auto, cpu, gpu or a list"),
        ("after: move", "archive, keep or delete"),
        ("after: keeep", "did you mean 'keep'"),
        ("defaults: 5", "a mapping of keys, not 5"),
        ("defaults: {content: a.jpg}", "defaults.content: is each sidecar"),
        ("defaults: {title: x}", "defaults.title: is each sidecar"),
        ("defaults: {size: 5}", "defaults.size"),
        ("defaults: {preset: finest}", "did you mean 'fine'"),
        ("defaults: {output: ../x}", "leaves the outbox"),
        ("defaults: {init: ../x.png}", "climbs by"),
        ("defaults: {output: a, path_output: b}", "the same as output"),
        ("defaults: {content_weight: 0, style_weight: 0}", "nothing to optimise"),
        ("watch: []", "a mapping of keys"),
        ("watch: {settle: 5}", "did you mean 'settle_seconds'"),
        ("watch: {settle_seconds: -1}", "from 0 seconds"),
        ("watch: {settle_seconds: 5 minutes}", "such as 10m, 1h or 2d, not '5 minutes'; write 5m"),
        ("watch: {settle_seconds: 90 Sec.}", "write 90s"),
        ("watch: {incomplete_after: 2 hours}", "write 2h"),
        ("watch: {incomplete_after: 2 months}", "such as 10m, 1h or 2d, not '2 months'"),
        ("inbox: $HOME/in", "inbox: '$HOME/in' is taken as it stands"),
        ("library: [a, 'C:\\styles']", "library.1: 'C:\\styles' is a path of Windows"),
        ("watch: {settle_seconds: true}", "such as 10m"),
        ("watch: {settle_seconds: .inf}", "from 0 seconds"),
        ("watch: {incomplete_after: .nan}", "from 0 seconds"),
        ("watch: {incomplete_after: 9999d}", "to 366 days"),
        ("watch: {rescan_seconds: 0}", "longer than 0"),
        ("watch: {polling: yes}", "auto, true or false, not 'yes'"),
        ("jobs: {attempts: 0}", "from 1 to 100"),
        ("jobs: {backoff_seconds: []}", "at least one"),
        ("jobs: {backoff_seconds: [1, x]}", "jobs.backoff_seconds"),
        ("limits: {max_jobs: 0}", "from 1 to 9999"),
        ("limits: {max_megapixels: 0}", "above 0"),
        ("limits: {min_free_gb: -1}", "from 0 to 1000000"),
        ("limits: {max_priority: 5}\ndefaults: {priority: 6}", "is more than limits.max_priority, 5"),
        ("outbox: inbox", "lies in the inbox"),
        ("outbox: inbox/out", "lies in the inbox"),
        ("inbox: outbox/in", "lies in the outbox"),
        ("library: [inbox/styles]", "library.0: /srv/studio/inbox/styles lies in the inbox"),
        ("a: [", "not YAML"),
        ("- a", "a list where"),
    ],
)
def test_refused(text, words):
    """A wrong config is told in plain words."""
    assert words in str(refused(text))


def test_all_problems_at_once():
    """Every wrong key, nested ones too, with its line."""
    error = refused("inbx: a\nwatch:\n  settle: 1\n  polling: 7\njobs: {attempts: x}\ndefaults:\n  epocs: 5\n")
    assert error.code == "config_invalid"
    assert [(problem.line, problem.key) for problem in error.problems] == [
        (1, "inbx"),
        (3, "watch.settle"),
        (4, "watch.polling"),
        (5, "jobs.attempts"),
        (7, "defaults.epocs"),
    ]


def test_links_are_seen_through(tmp_path):
    """An outbox that is a link into the inbox is in the inbox."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "out").symlink_to("inbox")
    with pytest.raises(ProblemsError, match="lies in the inbox"):
        read("outbox: out", tmp_path)


def test_found_in_order(tmp_path):
    """--config goes before NST_BATCH_CONFIG, that before ./config.yaml, that before nothing."""
    for name in ("named.yaml", "variable.yaml", "config.yaml"):
        (tmp_path / name).write_text("after: keep\n")
    environ = {"NST_BATCH_CONFIG": str(tmp_path / "variable.yaml")}
    assert find_config("named.yaml", environ=environ, cwd=tmp_path) == tmp_path / "named.yaml"
    assert find_config(None, environ=environ, cwd=tmp_path) == tmp_path / "variable.yaml"
    assert find_config(None, environ={}, cwd=tmp_path) == tmp_path / "config.yaml"
    assert load_config(None, environ={}, cwd=tmp_path).source == tmp_path / "config.yaml"
    (tmp_path / "config.yaml").unlink()
    assert find_config(None, environ={}, cwd=tmp_path) is None
    config = load_config(None, environ={}, cwd=tmp_path)
    assert (config.source, config.inbox) == (None, tmp_path / "inbox")


@pytest.mark.parametrize("name", ["config.yml", "config.yaml.txt"])
def test_a_config_by_another_name_is_not_passed_over_in_silence(tmp_path, name):
    """Its inbox would be another one than the person thinks."""
    (tmp_path / name).write_text("inbox: there\n")
    with pytest.raises(SetupError) as caught:
        find_config(None, environ={}, cwd=tmp_path)
    assert name in caught.value.message
    assert "rename it" in caught.value.advice
    (tmp_path / "config.yaml").touch()
    assert find_config(None, environ={}, cwd=tmp_path) == tmp_path / "config.yaml"


@pytest.mark.parametrize("what", ["a folder", "a pipe", "a link to nothing"])
def test_a_config_that_is_no_file_is_not_taken_for_none(tmp_path, what):
    """Nor is it waited for; named by hand it is refused likewise."""
    path = tmp_path / "config.yaml"
    if what == "a folder":
        path.mkdir()
    elif what == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere")
    for named in (None, path):
        with pytest.raises(SetupError) as caught:
            load_config(named, environ={}, cwd=tmp_path)
        assert str(path) in caught.value.message
        assert caught.value.advice != ""


def test_paths_are_relative_to_the_file(tmp_path):
    """A config elsewhere brings its folders with it."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "studio.yaml").write_text("inbox: in\n")
    assert load_config("etc/studio.yaml", environ={}, cwd=tmp_path).inbox == tmp_path / "etc" / "in"


def test_named_but_not_there(tmp_path):
    """A file that someone names must be there; which way it was named is said."""
    with pytest.raises(SetupError, match="named by --config") as caught:
        load_config("nothing.yaml", environ={}, cwd=tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("config_missing", 78)
    with pytest.raises(SetupError, match="named by NST_BATCH_CONFIG"):
        load_config(None, environ={"NST_BATCH_CONFIG": "nothing.yaml"}, cwd=tmp_path)
    with pytest.raises(SetupError, match="is not a file"):
        load_config(tmp_path, environ={}, cwd=tmp_path)


def test_too_large(tmp_path):
    """A file that cannot be a config is not read whole."""
    (tmp_path / "config.yaml").write_text("#" * 300 * 1024)
    with pytest.raises(ProblemsError) as caught:
        load_config(None, environ={}, cwd=tmp_path)
    assert caught.value.code == "config_too_large"


def test_mutations():
    """A garbled config is read or refused properly, never anything else."""
    whole = (HERE / "config.yaml").read_bytes()
    generator = random.Random(3)
    counts, told = [0, 0], []
    for _ in range(300):
        body = bytearray(whole)
        for _ in range(generator.randint(1, 3)):
            at = generator.randrange(len(body))
            body[at : at + generator.randint(0, 4)] = generator.choice(
                [b"", b"x", b"\n", b"0", b"[", b"}", b"\xff", b": "]
            )
        try:
            read(bytes(body))
        except ProblemsError as error:
            told.append(error.problems)
            counts[0] += 1
        else:
            counts[1] += 1
    assert min(counts) > 10
    assert all(told)


def test_examples_of_the_docs():
    """Every example of the reference is right, by the program and by the schema."""
    blocks = [block.split("```")[0] for block in DOCS.read_text("utf-8").split("```yaml\n")[1:]]
    assert len(blocks) >= 2
    for text in blocks:
        assert read(text)
        jsonschema.Draft202012Validator(config_schema()).validate(yaml.safe_load(text))


def test_every_key_and_default_is_documented():
    """The reference's tables name every key with the default that the program has."""
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\|(?: `(.*)`)? \|$", DOCS.read_text("utf-8"), flags=re.M))
    config = read("")
    schema = config_schema()
    for key in schema["properties"]:
        assert key in rows
    for part in ("watch", "jobs", "limits", "hooks"):
        for key in schema["$defs"][part.capitalize()]["properties"]:
            shown = read(f"{part}: {{{key}: {rows[key]}}}")
            assert getattr(getattr(shown, part), key) == getattr(getattr(config, part), key)


def test_schema_is_one():
    """The schema is valid, describes every key, and knows nothing of null."""
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "null" not in json.dumps(schema)
    assert all(part.get("description") for part in schema["properties"].values())


@pytest.mark.parametrize(
    "data",
    [
        {"inbx": 1},
        {"after": "x"},
        {"device": []},
        {"watch": {"settle": 1}},
        {"jobs": {"attempts": 0}},
        {"defaults": {"title": "x"}},
        {"watch": {"incomplete_after": "1 week"}},
        {"limits": {"max_jobs": "many"}},
        {"library": "x"},
        {"hooks": {"done": "mail"}},
        {"hooks": {"done": [1]}},
        {"hooks": {"dne": []}},
    ],
)
def test_schema_refuses_what_the_program_refuses(data):
    """An editor with the schema marks what the program would refuse."""
    assert refused(yaml.safe_dump(data))
    assert not jsonschema.Draft202012Validator(config_schema()).is_valid(data)


def test_reading_needs_little():
    """The daemon reads config and sidecars without NumPy, OpenCV, Pillow or TensorFlow, and stays small."""
    program = (
        "import sys, nst_batch.config.load, nst_batch.sidecar.expand\n"
        "heavy = {'numpy', 'cv2', 'PIL', 'tensorflow', 'keras', 'jsonschema'} & set(sys.modules)\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(sorted(heavy), status['VmHWM'].split()[0])"
    )
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environ, cwd=HERE
    ).stdout
    heavy, kilobytes = said.rsplit(" ", 1)
    assert heavy == "[]"
    assert int(kilobytes) < 48 * 1024


def test_the_limit_of_a_config_is_told_as_it_is():
    """By the list of reasons too."""
    assert f"larger than {MAX_CONFIG_KB} KiB" in KNOWN["config_too_large"].meaning
