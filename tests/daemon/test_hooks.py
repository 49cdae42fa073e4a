"""hooks: real programs, told what happens, that never hold anything up."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House

from nst_batch.beneath import Beneath
from nst_batch.config.keys import Hooks
from nst_batch.daemon.hooks import WAITING, HookRunner, Occasion
from nst_batch.reasons import EndState, Reason
from nst_batch.spool.claims.live_job import Ended

AT_ONCE = 4  # as docs/config.md has it
SCRIPT = """\
import os, sys
told = {f"NST_BATCH_{key}": os.environ[f"NST_BATCH_{key}"] for key in ("EVENT", "JOB", "STATE", "REASON", "FOLDER")}
print(told, sys.stdin.read(), "NOTIFY_SOCKET" in os.environ, file=open(sys.argv[1], "a"))
"""


def ended(folder: Path, state: EndState = "done", code: str = "", name: str = "dusk") -> Ended:
    return Ended("1", name, name, state, Reason(code, "why") if code else None, folder)


def runner(notes: list[str], *command: str, event: str = "done", limit: float = 20.0) -> HookRunner:
    return HookRunner(Hooks.model_construct(**{event: command}), notes.append, Beneath(), limit)


def finish(hooks: HookRunner, seconds: float = 20.0) -> None:
    hooks.finish(lambda: None, seconds)


@pytest.mark.parametrize(
    ("state", "code", "event"),
    [
        ("done", "", "done"),
        ("stopped", "", "done"),
        ("failed", "image_missing", "failed"),
        ("cancelled", "cancelled", "failed"),
    ],
)
def test_a_hook_is_told_of_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: EndState, code: str, event: str
) -> None:
    """The environment says what became of which job and where it is, standard input is its job.json."""
    monkeypatch.setenv("NOTIFY_SOCKET", "@the-daemons-own")
    (tmp_path / "job.json").write_text(json.dumps({"title": "dusk"}))
    notes: list[str] = []
    hooks = runner(notes, sys.executable, "-c", SCRIPT, str(tmp_path / "told"), event=event)
    hooks.job_ended(ended(tmp_path, state=state, code=code))
    finish(hooks)
    told = (tmp_path / "told").read_text()
    wanted = {"EVENT": event, "JOB": "dusk", "STATE": state, "REASON": code, "FOLDER": str(tmp_path)}
    assert told == f'{ {f"NST_BATCH_{key}": value for key, value in wanted.items()} } {{"title": "dusk"}} False\n'
    assert notes == []


def test_arguments_reach_no_shell(tmp_path: Path) -> None:
    """A job's name with a command in it is text, and so is every argument."""
    hooks = runner([], sys.executable, "-c", SCRIPT, str(tmp_path / "$(touch x); told"))
    hooks.happened(Occasion.end_of(ended(tmp_path, name="$(reboot)`id`")))
    finish(hooks)
    assert "$(reboot)`id`" in (tmp_path / "$(touch x); told").read_text()


def test_an_event_without_a_hook_starts_nothing(tmp_path: Path) -> None:
    """Only what config.yaml names is run."""
    hooks = runner([], sys.executable, "-c", SCRIPT, str(tmp_path / "told"), event="failed")
    hooks.happened(Occasion("empty"))
    hooks.attend(0.0)
    assert hooks.running == ()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("/no/such/program",), "hook empty: /no/such/program cannot be started"),
        ((sys.executable, "-c", "import sys; sys.exit('no mail here')"), "hook empty: ended with 1: no mail here"),
    ],
)
def test_a_hook_that_fails_is_told(command: tuple[str, ...], told: str) -> None:
    """What went wrong is noted with the program's own last words; nothing is raised."""
    notes: list[str] = []
    hooks = runner(notes, *command, event="empty")
    hooks.happened(Occasion("empty"))
    finish(hooks)
    assert len(notes) == 1
    assert notes[0].startswith(told)


def test_a_hook_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    """Past its time limit the whole group of processes goes, and the next event has its turn."""
    script = f"sleep 600 & echo $! >{tmp_path}/child; wait"
    notes: list[str] = []
    hooks = runner(notes, "/bin/sh", "-c", script, event="empty", limit=60.0)
    hooks.happened(Occasion("empty"))
    hooks.attend(1000.0)
    deadline = time.monotonic() + 20
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text().strip():
        assert time.monotonic() < deadline
    hooks.attend(1059.0)
    assert len(hooks.running) == 1
    hooks.attend(1061.0)
    assert hooks.running == ()
    assert notes == ["hook empty: took more than 1 min and was ended"]
    child = int((tmp_path / "child").read_text())
    while (state := Path(f"/proc/{child}/stat")).exists() and state.read_text().split()[2] not in "ZX":
        assert time.monotonic() < deadline, "a process of the hook's lives on"


def test_a_hook_that_never_stops_talking_does_not_hold_up_the_loop() -> None:
    """A turn takes in one piece of what it says, and comes back."""
    hooks = runner([], "/bin/sh", "-c", "yes >&2", event="empty")
    hooks.happened(Occasion("empty"))
    for turn in range(100):
        hooks.attend(float(turn) / 10)
    assert len(hooks.running) == 1
    hooks.finish(lambda: None, 0.0)
    assert hooks.running == ()


def test_a_hook_that_the_kernel_holds_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """No signal ends it; the queue waits for it no longer than for any other, and it is told of once."""
    notes: list[str] = []
    hooks = runner(notes, "/bin/sleep", "600", event="empty")
    hooks.happened(Occasion("empty"))
    hooks.attend(0.0)
    (hook,) = hooks.running
    with monkeypatch.context() as stuck:
        stuck.setattr("nst_batch.child.os.killpg", lambda *_: None)
        stuck.setattr(subprocess.Popen, "kill", lambda _self: None)
        stuck.setattr("nst_batch.child.GO_SECONDS", 0.05)
        for moment in (3600.0, 3601.0):
            hooks.attend(moment)
    assert hooks.running == ()
    assert len(notes) == 1
    assert "cannot be ended" in notes[0]
    hook.process.kill()
    hook.process.wait()


def test_few_run_at_once_and_the_others_have_their_turn(tmp_path: Path) -> None:
    """A night's worth of ends does not start a night's worth of processes."""
    hooks = runner([], sys.executable, "-c", SCRIPT, str(tmp_path / "told"))
    for number in range(AT_ONCE + 2):
        hooks.happened(Occasion.end_of(ended(tmp_path, name=f"job {number}")))
    hooks.attend(time.monotonic())
    assert len(hooks.running) == AT_ONCE
    finish(hooks, 60.0)
    assert len((tmp_path / "told").read_text().splitlines()) == AT_ONCE + 2


def test_what_waits_is_bounded() -> None:
    """Where hooks are slower than jobs end, the oldest events are dropped, and that is told."""
    notes: list[str] = []
    hooks = runner(notes, "/bin/sleep", "600")
    for number in range(WAITING + 1):
        hooks.happened(Occasion("done", f"job {number}"))
    hooks.finish(lambda: None, 0.0)
    assert notes == [f"hook done: more than {WAITING} wait for their turn; the oldest is dropped"]


def test_a_linked_manifest_is_not_followed(tmp_path: Path) -> None:
    """What lies at a shared place is not believed: a job.json that is a link reads as nothing."""
    (tmp_path / "private").write_text("secret")
    (tmp_path / "job.json").symlink_to("private")
    hooks = runner([], sys.executable, "-c", SCRIPT, str(tmp_path / "told"))
    hooks.happened(Occasion.end_of(ended(tmp_path)))
    finish(hooks)
    assert "secret" not in (tmp_path / "told").read_text()


def test_a_result_that_has_become_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nor is a link on the way to it: a folder of the outbox that somebody has put a link in place of."""
    private, outbox = tmp_path / "private", tmp_path / "outbox"
    private.mkdir()
    outbox.mkdir()
    (private / "job.json").write_text("secret")
    (outbox / "dusk").symlink_to(private)
    files = Beneath()
    files.keep_beneath(outbox)
    command = (sys.executable, "-c", SCRIPT, str(tmp_path / "told"))
    hooks = HookRunner(Hooks.model_construct(done=command), [].append, files)
    hooks.job_ended(ended(outbox / "dusk"))
    finish(hooks)
    assert "secret" not in (tmp_path / "told").read_text()


def test_a_pipe_that_is_closed_early_does_not_keep_the_loop_awake() -> None:
    """A hook that closes its standard error is no longer watched, and still awaited."""
    hooks = runner([], "/bin/sh", "-c", "exec 2>&-; sleep 600", event="empty")
    hooks.happened(Occasion("empty"))
    hooks.attend(0.0)
    deadline = time.monotonic() + 20
    while hooks.to_watch:
        hooks.attend(0.0)
        assert time.monotonic() < deadline
    assert len(hooks.running) == 1
    hooks.finish(lambda: None, 0.0)


TELL = [sys.executable, "-c", "import os, sys; print(*map(os.environ.get, sys.argv[2:]), file=open(sys.argv[1], 'a'))"]


def told_by_daemon(house: House, *, min_free_gb: float = 0.0) -> tuple[int, list[str]]:
    """The exit code of a daemon that empties the inbox, and what its hooks were told, in their order."""
    told = house.root / "told"
    command = [*TELL, str(told), "NST_BATCH_EVENT", "NST_BATCH_JOB", "NST_BATCH_REASON"]
    hooks = dict.fromkeys(("done", "failed", "empty", "trouble"), command)
    house.configure(hooks=hooks, limits={"min_free_gb": min_free_gb})
    code = house.command("run", "--once").returncode
    return code, told.read_text().splitlines()


def test_a_daemon_tells_of_failures_and_of_an_empty_queue(tmp_path: Path) -> None:
    """A night that ends at once: the hooks still have their turn before the daemon is gone."""
    house = House(tmp_path, Path("untrained"))
    house.sidecar("typo", contnt="a.png")
    code, told = told_by_daemon(house)
    assert code == 1
    assert sorted(line.strip() for line in told) == ["empty", "failed typo sidecar_invalid"]


def test_a_daemon_tells_of_trouble_once(tmp_path: Path) -> None:
    """A queue that waits for disk space is a trouble, with its code, however often the daemon looks again."""
    house = House(tmp_path, Path("untrained"))
    house.pair("dusk")
    code, told = told_by_daemon(house, min_free_gb=1_000_000)
    assert code == 75
    assert [line.split() for line in told] == [["trouble", "disk_full"]]


EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def run_example(name: str, *arguments: str, **environ: str) -> None:
    facts = Occasion("failed", "crépuscule\n2", "failed", "image_missing", Path("/out/x")).environment()
    command = [str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, input=b'{"title": "x"}', env={**os.environ, **facts, **environ}, check=False)
    assert done.returncode == 0


def test_the_example_for_mail(tmp_path: Path) -> None:
    """One mail to the address, with a subject that no name can break out of, and job.json in its body."""
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f'#!/bin/sh\necho "$*" >{tmp_path}/arguments\ncat >{tmp_path}/mail\n')
    sendmail.chmod(0o755)
    run_example("mail", "studio@example.org", SENDMAIL=str(sendmail))
    head, body = (tmp_path / "mail").read_text().split("\n\n", 1)
    assert (tmp_path / "arguments").read_text() == "-i -t\n"
    assert head.splitlines()[0] == "To: studio@example.org"
    assert head.splitlines()[2].startswith("Subject: nst_batch: failed cr")
    assert len(head.splitlines()) == 3
    assert body.endswith('{"title": "x"}')


@pytest.fixture
def posted() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A server's address, and what was posted to it: headers and body."""
    posts: list[tuple[dict[str, str], bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/topic", posts
        server.shutdown()


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@needs_curl
def test_the_example_for_a_webhook(posted: tuple[str, list[tuple[dict[str, str], bytes]]]) -> None:
    """job.json is the body; a title in any script, with line breaks too, is one header."""
    address, posts = posted
    run_example("webhook", address, no_proxy="*")
    ((headers, body),) = posts
    assert body == b'{"title": "x"}'
    assert headers["X-Reason"] == "image_missing"
    assert headers["X-Job"] == "".join(f"%{byte:02x}" for byte in "crépuscule\n2".encode())


@needs_curl
def test_the_example_for_ntfy(posted: tuple[str, list[tuple[dict[str, str], bytes]]]) -> None:
    """One line that says which job and what became of it."""
    address, posts = posted
    run_example("ntfy", address, no_proxy="*")
    assert [body.decode() for _headers, body in posts] == ["crépuscule\n2: failed image_missing"]


def test_a_hook_that_has_become_another_user_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """As sudo does: no signal of the daemon's reaches it, which is no error of the loop's."""
    notes: list[str] = []
    hooks = runner(notes, "sleep", "60", limit=0.0)
    hooks.job_ended(ended(Path("/nowhere")))
    now = time.monotonic()
    hooks.attend(now)
    (running,) = hooks.running

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as theirs:
        theirs.setattr(os, "killpg", refused)
        theirs.setattr(subprocess.Popen, "kill", refused)
        hooks.attend(now + 1.0)
    assert "cannot be ended; it is left to itself" in notes[0]
    assert hooks.running == ()
    running.process.kill()
    running.process.wait()
