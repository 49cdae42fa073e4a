#!/bin/bash
# upgrade_trial.sh PROJECT: upgrades that fail, each on its way, on a machine that may be ruined.
# PROJECT's systemd/ with a program of a few lines in place of the studio, so that a version is installed in seconds.
# Leaves KEY=VALUE lines in /run/sandbox/report and what was said in upgrades.log. Run by test_upgrade.py.
set -u
unset PYTHONPATH  # the programs here are not the project's
project=$1 share=/run/sandbox
report() { echo "$1=$2" >>"$share/report"; }

version() { # version NAME: a checkout of it, with a unit, folders and a program of its own
  local checkout=/tmp/$1
  mkdir -p "$checkout"/{nst_batch/{config,transfer},requirements}
  cp -r "$project/systemd" "$checkout"
  sed -i "1i # of $1" "$checkout"/systemd/*.{service,conf}
  touch "$checkout"/{README.md,LICENSE,requirements/{run,gpu}.txt,nst_batch/{,config/,transfer/}__init__.py}
  printf '%s\n' '[build-system]' 'requires = []' 'build-backend = "backend"' 'backend-path = ["nst_batch"]' \
    '[project]' 'name = "nst-batch"' 'version = "'"$1"'"' >"$checkout/pyproject.toml"
  cat >"$checkout/nst_batch/backend.py" <<PY  # setuptools would want a package index
import zipfile
from pathlib import Path
def build_wheel(folder, *_):
    name, info = "nst_batch-$1-py3-none-any.whl", "nst_batch-$1.dist-info/"
    with zipfile.ZipFile(Path(folder, name), "w") as wheel:
        for path in Path("nst_batch").rglob("*.py"):
            wheel.write(path)
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: nst-batch\nVersion: $1\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\nnst-batch = nst_batch.cli:main\n")
        wheel.writestr(info + "RECORD", "")
    return name
PY
  cat >"$checkout/nst_batch/errors.py" <<'PY'
class NstError(Exception):
    message, advice = "refused", "write another"
class SetupError(NstError): ...
class ProblemsError(NstError): ...
PY
  cat >"$checkout/nst_batch/config/load.py" <<PY
import os
from nst_batch.errors import ProblemsError
class Config:
    weights = "auto"
def load_config():
    if "not for $1" in open(os.environ["NST_BATCH_CONFIG"]).read():
        raise ProblemsError
    return Config
PY
  cat >"$checkout/nst_batch/transfer/locate.py" <<'PY'
import os
from pathlib import Path
from nst_batch.errors import SetupError
def locate_weights(choice):
    class Found:
        path = Path(os.environ["KERAS_HOME"], "models/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5")
    if not Found.path.exists() or Found.path.read_text() != "good\n":
        raise SetupError
    return Found
PY
  cat >"$checkout/nst_batch/cli.py" <<PY
import os, signal, socket, sys
def main():
    if "$1" == "1.0+broken":
        sys.exit(78)
    if "$1" != "1.0+silent":
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    signal.pause()
PY
}
install_service() { # install_service VERSION NAME=VALUE…
  local checkout=/tmp/$1; shift
  env PYTHON=/usr/bin/python3 "$@" "$checkout/systemd/install-service" install >>"$share/upgrades.log" 2>&1
}
state() { # all that an upgrade may touch; with `running`, not the process that runs
  local property=MainPID
  [[ ${1:-} == running ]] && property=SubState
  systemctl show nst-batch -p ActiveState -p UnitFileState -p NeedDaemonReload -p "$property"
  readlink /opt/nst_batch/current
  find /opt/nst_batch /var/lib/nst_batch/models -maxdepth 1 -mindepth 1 | sort
  find /etc/systemd/system -name '*nst-batch*' ! -name '*.wants' | sort
  cat /etc/systemd/system/nst-batch.service /etc/{sysusers,tmpfiles}.d/nst-batch.conf /etc/nst_batch/config.yaml
  cat /usr/local/bin/nst-batch /var/lib/nst_batch/models/*.h5
  stat -c %a /srv/nst_batch/*
  getent group nst-batch
}
fails() { # fails KEY STATE VERSION NAME=VALUE…: what it changed, and that it said so
  local key=$1 before kind=$2; shift 2
  before=$(state "$kind")
  echo "== $key" >>"$share/upgrades.log"
  install_service "$@" && report "$key" "went well" && return
  sleep 1
  report "$key" "$(diff <(echo "$before") <(state "$kind") | grep '^[<>]' | paste -sd' ')"
}

for name in 1.0 1.0+next 1.0+broken 1.0+silent; do version "$name"; done
sed -i 's/2770 nst-batch nst-batch/2750 nst-batch nst-batch/' /tmp/1.0+*/systemd/nst-batch.tmpfiles.conf
useradd colleague
echo good >/tmp/good.h5
echo bad >/tmp/bad.h5
echo 'inbox: x' >/tmp/config.yaml
install_service 1.0 CONFIG=/tmp/typo.yaml WEIGHTS=/tmp/good.h5
[[ -e /etc/nst_batch ]] || report nothing_begun yes
install_service 1.0 CONFIG=/tmp/config.yaml WEIGHTS=/tmp/good.h5
report installed "$?:$(systemctl is-active nst-batch)"
[[ $(systemctl is-active nst-batch) == active ]] || exit 1

fails weights_typo pid 1.0+next WEIGHTS=/typo.h5 MEMBERS=colleague
fails config_typo pid 1.0+next CONFIG=/typo.yaml
fails member_typo pid 1.0+next MEMBERS='colleague nobody-here'
fails weights_refused pid 1.0+next WEIGHTS=/tmp/bad.h5 MEMBERS=colleague
echo '# not for 1.0+next' >>/etc/nst_batch/config.yaml
fails config_refused pid 1.0+next WEIGHTS=/tmp/good.h5
fails does_not_start running 1.0+broken GPU=1 MEMBERS=colleague
report old_goes_on "$(readlink /opt/nst_batch/current | grep -c "^1.0-"):$(pgrep -fc /opt/nst_batch/current/bin/nst-batch)"
fails interrupted running 1.0+silent GPU=1 & job=$!
for _ in {1..150}; do
  systemctl is-active nst-batch | grep -q ^activating && break
  sleep 0.2
done
pkill -TERM -f '/tmp/1[.]0[+]silent/systemd/install-service'
SECONDS=0
wait "$job"
((SECONDS < 60)) && report interrupted_at_once yes  # not when systemd has given up
systemctl disable --now --quiet nst-batch
fails stopped_stays_stopped pid 1.0+broken

sed -i '/not for/d' /etc/nst_batch/config.yaml
before=$(readlink /opt/nst_batch/current)
install_service 1.0+next MEMBERS=colleague
report upgraded "$?:$(systemctl is-active nst-batch)"
[[ $(readlink /opt/nst_batch/current) == 1.0+next-* && -d /opt/nst_batch/$before ]] && report way_back yes
getent group nst-batch | grep -q colleague && report joined yes
