#!/bin/bash
# service_trial.sh PROJECT VENV: the service from installation to a bad config, on a machine that may be ruined.
# Leaves KEY=VALUE lines in /run/sandbox/report and the journal beside it. Run by test_systemd.py.
set -u
project=$1 venv=$2 share=/run/sandbox
report() { echo "$1=$2" >>"$share/report"; }
wait_for() { # wait_for SECONDS COMMAND…
  local end=$((SECONDS + $1)); shift
  until "$@"; do ((SECONDS < end)) || return 1; sleep 0.5; done
}
state() { systemctl show nst-batch -p "$1" --value; }
trap '{ journalctl -u nst-batch --no-pager; tail -n 20 /srv/nst_batch/inbox/.nst_batch/*.log; } >"$share/journal" 2>&1' EXIT

# As in docs/service.md, but for the environment, which is the one under test.
install -Dm644 "$project/systemd/nst-batch.sysusers.conf" /etc/sysusers.d/nst-batch.conf
install -Dm644 "$project/systemd/nst-batch.tmpfiles.conf" /etc/tmpfiles.d/nst-batch.conf
install -Dm644 "$project/systemd/nst-batch.service" /etc/systemd/system/nst-batch.service
systemd-sysusers && systemd-tmpfiles --create /etc/tmpfiles.d/nst-batch.conf
install -Dm644 "$share/config.yaml" /etc/nst_batch/config.yaml
mkdir -p /opt && ln -s "$venv" /opt/nst_batch
# Wherever interpreter and project lie, the service's user has to get there.
for path in "$project" "$venv" "$(realpath "$venv/bin/python")"; do
  while [[ $path != / ]]; do chmod a+rX "$path"; path=$(dirname "$path"); done
done
mkdir -p /etc/systemd/system/nst-batch.service.d
printf '[Service]\nProtectHome=no\nPrivateTmp=no\nWatchdogSec=8\nRestartSec=1\nNice=0\n' >/etc/systemd/system/nst-batch.service.d/trial.conf
systemctl daemon-reload

systemctl start nst-batch
report started "$(state ActiveState)"

# Somebody of the group, who need not be able to read the shared folder, drops a pair.
install -Dm644 -t /tmp/pictures "$share/content.png" "$share/style.png"
group=$(getent group nst-batch | cut -d: -f3)
member() { (umask 0002; setpriv --reuid=65534 --regid=65534 --groups="$group" "$@"); }
drop() { # drop NAME EPOCHS
  member cp /tmp/pictures/content.png "/srv/nst_batch/inbox/$1-content.png"
  member cp /tmp/pictures/style.png "/srv/nst_batch/inbox/$1-style.png"
  printf 'content: %s-content.png\nstyle: %s-style.png\nepochs: %s\n' "$1" "$1" "$2" |
    member tee "/srv/nst_batch/inbox/$1.yaml" >/dev/null
}
drop pair 2
result=/srv/nst_batch/outbox/pair/pair.png
wait_for 150 test -e "$result" && report picture yes || report picture no
report picture_group "$(stat -c %G "$result" 2>/dev/null)"
member mv /srv/nst_batch/outbox/pair /srv/nst_batch/outbox/taken && report member_may_write yes

# A loop that hangs.
kill -STOP "$(state MainPID)"
restarted() { [[ $(state NRestarts) -ge 1 && $(state ActiveState) == active ]]; }
wait_for 30 restarted
report after_hang "$(state ActiveState)"
report restarts "$(state NRestarts)"

# A stop in the middle of a job.
drop long 9000
running() { compgen -G '/srv/nst_batch/outbox/running/long/*.json' >/dev/null; }
wait_for 60 running
SECONDS=0
systemctl stop nst-batch
report stop_seconds "$SECONDS"
report stop_result "$(state Result)"
compgen -G '/srv/nst_batch/inbox/.nst_batch/claims/*/sidecar/long.yaml' >/dev/null && report job_kept yes

# A config that cannot be.
echo 'inbocks: x' >>/etc/nst_batch/config.yaml
systemctl reset-failed nst-batch
systemctl start nst-batch 2>/dev/null
sleep 3
report bad_config_status "$(state ExecMainStatus)"
report bad_config_restarts "$(state NRestarts)"
report bad_config_state "$(state ActiveState)"
