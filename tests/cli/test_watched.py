"""A config with a mistake in it, while a daemon runs on the one before: who watches and steers goes on."""

from __future__ import annotations

import json
import signal

import pytest
from house import House, draw

from nst_batch.cli import main


def test_a_faulty_folders_file_is_told_once(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """In the log and in `status`, by its path, and among no waiting jobs."""
    draw(house.inbox / "monet/harbour.png")
    house.sidecar("folder", folder="monet", stile="waves.png")
    house.start()
    house.wait_for(
        lambda: "monet/folder.yaml waits: line 1, stile: unknown key" in house.logs(), "what is wrong with it"
    )

    def told() -> list[str]:
        assert main(["status", "--config", str(house.config)]) == 0
        return [line for line in capsys.readouterr().out.splitlines() if "stile: unknown key" in line]

    (line,) = house.wait_for(told, "the same in the status")
    assert line.startswith("folder   monet/folder.yaml: line 1, stile: unknown key")
    assert line.endswith("; 1 photograph waits")


def test_a_broken_config_does_not_blind_who_watches(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what is wrong; outbox and queue are the daemon's. Without a daemon the mistake is an error."""
    daemon = house.start()
    house.wait_for((house.inbox / ".nst_batch/state.json").exists, "a state")
    right = house.config.read_text()
    house.config.write_text('{"inbox": "elsewhere", weights: auto\n')
    assert main(["status", "--config", str(house.config)]) == 78, "of which nothing can be told"
    house.config.write_text(f"inbox: {house.inbox}\noutbox: [{house.outbox}\nweigths: auto\ndevize: cpu\n")
    capsys.readouterr()
    assert main(["status", "--config", str(house.config)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("config")]
    assert "line 2" in line or "line 3" in line
    assert "the daemon goes on with what it has read before" in line
    assert main(["status", "--json", "--config", str(house.config)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["outbox"] == str(house.outbox)
    assert facts["config_fault"] in line
    assert main(["pause", "--config", str(house.config)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("paused")
    assert len(told.err.splitlines()) == 1
    assert (house.inbox / "PAUSE").exists()
    assert main(["check", "--config", str(house.config)]) == 78
    daemon.send_signal(signal.SIGINT)
    assert daemon.wait(30) == 0
    assert "ending: what waits stays in the inbox" in house.logs()
    assert main(["status", "--config", str(house.config)]) == 78
    house.config.write_text(right)
    assert main(["status", "--config", str(house.config)]) == 0


def test_a_daemon_whose_inbox_is_away_runs(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """It waits for it, and nobody is told to start another; once it has died, somebody is."""
    daemon = house.start()
    house.wait_for((house.outbox / ".nst_batch_state.json").exists, "a state")
    house.inbox.rename(house.root / "elsewhere")

    def told() -> list[str]:
        capsys.readouterr()
        assert main(["status", "--config", str(house.config)]) == 0
        return capsys.readouterr().out.splitlines()

    assert told()[:2] == [f"daemon   running (process {daemon.pid})", f"waits    {house.inbox} is not there"]
    daemon.kill()
    daemon.wait()
    assert told()[0] == "daemon   not running: nst-batch run"
    (house.root / "elsewhere").rename(house.inbox)
