"""One list of reasons: what the program gives, what the docs say, what a job's files have."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

import nst_batch
from nst_batch.cli import main
from nst_batch.errors import NstError, UsageError
from nst_batch.job import Outcome, manifest
from nst_batch.reasons import KNOWN, Reason
from nst_batch.spool.claims.records import Publish

ROOT = Path(nst_batch.__file__).parent
MAKERS = {"NstError", "UsageError", "NotNowError", "SetupError", "JobError", "SpoolBlocked", "InboxLost"}
CODE = re.compile(r"[a-z]+(_[a-z]+)*")


def given() -> set[str]:
    """The codes that stand where reasons and errors are made; every other module names them by their constants."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            makes = ast.unparse(node.func)
            first = node.args[0]
            is_code = isinstance(first, ast.Constant) and isinstance(first.value, str)
            if is_code and (makes in MAKERS or makes == "Reason.of"):
                found.add(first.value)  # type: ignore[attr-defined]
    return found


def test_every_reason_that_is_given_is_in_the_list() -> None:
    """So `nst-batch reasons` and docs/reasons.md know whatever a person may meet."""
    assert given() <= set(KNOWN)


def test_every_reason_in_the_list_can_be_met() -> None:
    """What nothing gives any more is taken out."""
    texts = [path.read_text() for path in ROOT.rglob("*.py") if path.name != "reasons.py"]
    names = {name for name, value in vars(nst_batch.reasons).items() if isinstance(value, str) and value in KNOWN}
    constants = {getattr(nst_batch.reasons, name): name for name in names}
    for code in KNOWN:
        # ProblemsError's are made of a kind of file and what is wrong with it.
        kind, _, what = code.partition("_")
        words = (f'"{code}"', constants.get(code, f'"{code}"'), f"{{{kind}}}_{what}", f'{{kind}}_{what}"')
        assert any(word in text for text in texts for word in words), code


def test_every_reason_says_what_it_means_and_what_to_do() -> None:
    """In words of one line, and under a code that a program can go by."""
    for code, known in KNOWN.items():
        assert CODE.fullmatch(code)
        for words in (known.meaning, known.advice):
            assert words.strip() == words != ""
            assert "\n" not in words


def test_the_page_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """`nst-batch reasons > docs/reasons.md` brings it up to date."""
    assert main(["reasons"]) == 0
    assert capsys.readouterr().out == (ROOT.parent / "docs" / "reasons.md").read_text()


def test_one_reason_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """To who has found its code in a job's folder; one that is none is told."""
    assert main(["reasons", "image_truncated"]) == 0
    assert "copy it again" in capsys.readouterr().out
    assert main(["reasons", "image_odd"]) == 2


def test_an_error_has_the_advice_of_its_code_unless_it_knows_better() -> None:
    """The same words everywhere, and none where none is wanted."""
    assert UsageError("job_unknown", "x").advice == KNOWN["job_unknown"].advice
    assert UsageError("job_unknown", "x", "look again").advice == "look again"
    assert UsageError("job_unknown", "x", "").in_one_line == "x"


def test_a_reason_is_harmless_from_the_first_on() -> None:
    """Names of other people's files stand in it, and it goes to terminals, logs and pages."""
    reason = Reason.of("image_missing", ["\x1b[2J.png is not there", "nor is b.png"], "\u202elook")
    assert reason.message == "\\x1b[2J.png is not there\nnor is b.png"
    assert reason.advice == "\\u202elook"


def test_an_error_made_of_a_reason_is_that_reason() -> None:
    """However often it changes hands."""
    reason = Reason.of("image_missing", ["a\x1b", "b"])
    assert NstError.of(reason).reason == NstError.of(NstError.of(reason).reason).reason == reason


def test_what_has_no_result_has_a_reason_and_nothing_else_has() -> None:
    """An outcome that says otherwise is a damaged one."""
    for text in ('{"state": "failed"}', '{"state": "done", "reason": {"code": "a", "message": "b"}}'):
        with pytest.raises(ValueError, match="reason"):
            Outcome.model_validate_json(text)


def test_outcomes_and_ends_of_earlier_versions_are_understood() -> None:
    """A daemon that was upgraded in mid-job finds them: they had the parts of a reason side by side."""
    parts = {"code": "image_truncated", "message": "a.png: the picture is cut off", "advice": "copy it again"}
    outcome = Outcome.model_validate_json(json.dumps({"state": "failed", **parts, "retry": False}))
    body = json.loads(manifest(None, outcome, attempts=1))
    assert (body["reason"], body["message"], body["advice"]) == tuple(parts.values())
    publish = Publish.model_validate_json(json.dumps({"target": "failed/a", "ending": {"state": "failed", **parts}}))
    assert (publish.state, publish.reason) == ("failed", Reason(**parts))
    done = {"target": "a", "ending": {"state": "done", "code": "", "message": "", "advice": ""}}
    assert Publish.model_validate_json(json.dumps(done)).reason is None
