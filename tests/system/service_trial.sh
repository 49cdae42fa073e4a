#!/bin/bash
# service_trial.sh PROJECT: the service from a fresh clone to its end, on a machine that may be ruined.
# Leaves KEY=VALUE lines in /run/sandbox/report and the journal beside it. Run by test_systemd.py.
set -u
project=$1 share=/run/sandbox
report() { echo "$1=$2" >>"$share/report"; }
wait_for() { # wait_for SECONDS COMMAND…
  local end=$((SECONDS + $1)); shift
  until "$@"; do ((SECONDS < end)) || return 1; sleep 0.5; done
}
state() { systemctl show nst-batch -p "$1" --value; }
trap '{ cat "$share"/*.log; journalctl -u nst-batch --no-pager; } >"$share/journal" 2>&1' EXIT
export PIP_NO_INDEX=1 PIP_FIND_LINKS=$share/wheels  # a machine without a connection
useradd --create-home colleague
# What makes a trial of it rather than a night.
mkdir -p /etc/systemd/system/nst-batch.service.d
printf '[Service]\nWatchdogSec=8\nRestartSec=1\nNice=0\n' >/etc/systemd/system/nst-batch.service.d/trial.conf

install_service() {
  make -s -C "$project" install-service PYTHON=/usr/bin/python3 CONFIG="$share/config.yaml" MEMBERS=colleague
}
install_service >"$share/install.log" 2>&1
report installed $?
report started "$(state ActiveState)"
[[ $(state ActiveState) == active ]] || exit 1

# A colleague of another uid, with the usual umask, in a folder of their own.
install -Dm644 -t /tmp/pictures "$share/content.png" "$share/style.png"
member() { setpriv --reuid=colleague --regid=colleague --init-groups --reset-env bash -c "umask 0022; $1"; }
drop() { # drop NAME EPOCHS
  member "mkdir -p /srv/nst_batch/inbox/of-mine && cd /srv/nst_batch/inbox/of-mine &&
    cp /tmp/pictures/content.png $1-content.png && cp /tmp/pictures/style.png $1-style.png &&
    printf 'content: $1-content.png\nstyle: $1-style.png\nepochs: $2\n' >$1.yaml"
}
drop pair 2
result=/srv/nst_batch/outbox/pair/pair.png
wait_for 150 test -e "$result" && report picture yes || report picture no
report picture_group "$(stat -c %G "$result" 2>/dev/null)"
member 'nst-batch status' >"$share/status.log" 2>&1
report status $?
grep -q pair "$share/status.log" && report status_names_it yes
member 'cp /srv/nst_batch/outbox/pair/pair.png /tmp/mine.png' && report member_may_read yes
member 'mv /srv/nst_batch/outbox/pair /srv/nst_batch/outbox/taken && rm -r /srv/nst_batch/outbox/taken' &&
  report member_may_write yes

# What doctor says of it: all is well; what it misses without the default ACL; the weights that the service cannot fetch.
nst-batch doctor --service >"$share/doctor.log" 2>&1
report doctor $?
grep -c '^ok ' "$share/doctor.log" | { read -r count; report doctor_ok "$count"; }
grep -E '^(note|BAD )' "$share/doctor.log" | sed 's/:.*//; s/^[^ ]* *//' | sort -u | paste -sd, | { read -r names; report doctor_notes "$names"; }
setfacl -k /srv/nst_batch/inbox 2>/dev/null || python3 -c 'import os; os.removexattr("/srv/nst_batch/inbox", "system.posix_acl_default")'
cp /etc/nst_batch/config.yaml /tmp/config.kept
sed -i 's/^weights: .*/weights: auto/' /etc/nst_batch/config.yaml
nst-batch doctor --service >"$share/doctor2.log" 2>&1
report doctor_spoilt $?
grep -q 'inbox has no default ACL for the group' "$share/doctor2.log" && report doctor_acl yes
grep -q 'the service has no network by which they could be fetched' "$share/doctor2.log" && report doctor_weights yes
cp /tmp/config.kept /etc/nst_batch/config.yaml
systemd-tmpfiles --create /etc/tmpfiles.d/nst-batch.conf
member 'nst-batch doctor --service' >"$share/doctor3.log" 2>&1
grep -q 'sudo nst-batch doctor --service' "$share/doctor3.log" && report doctor_as_member asks_for_root

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

# Reloads: a bad config fails for who asks and the old one stays; a good one counts. The job is at work all the while.
pid=$(state MainPID)
cp /etc/nst_batch/config.yaml /tmp/config.kept
echo 'inbocks: x' >>/etc/nst_batch/config.yaml
systemctl reload nst-batch 2>/dev/null
report bad_reload $?
report bad_reload_state "$(state ActiveState)"
told() { journalctl -u nst-batch -p "$1" --no-pager | grep -q "$2"; }
wait_for 10 told warning 'config not read again, the old one stays' && report bad_reload_told yes
status_tells() { [[ $(state StatusText) == *'config'* ]]; }
wait_for 10 status_tells && report bad_reload_status yes
sed 's/^limits: .*/limits: {min_free_gb: 0, max_sidecar_kb: 1}/' /tmp/config.kept >/etc/nst_batch/config.yaml
systemctl reload nst-batch
report good_reload $?
wait_for 10 told info 'config read again' && report good_reload_told yes
member 'cd /srv/nst_batch/inbox/of-mine && { printf "content: a.png\nstyle: a.png\n"; seq -f "# %g" 600; } >large.yaml'
wait_for 30 test -e /srv/nst_batch/outbox/failed/large/error.txt && report good_reload_counts yes
cp /tmp/config.kept /etc/nst_batch/config.yaml
systemctl reload nst-batch
[[ $(state MainPID) == "$pid" ]] && running && report reloads_touch_no_job yes

# The daemon is killed in the middle of the job: back by itself, and the job is at work again.
kill -KILL "$pid"
killed() { [[ $(state MainPID) != "$pid" && $(state ActiveState) == active ]] && running; }
wait_for 90 killed && report after_kill yes

SECONDS=0
systemctl stop nst-batch
report stop_seconds "$SECONDS"
report stop_result "$(state Result)"
compgen -G '/srv/nst_batch/inbox/.nst_batch/claims/*/sidecar/long.yaml' >/dev/null && report job_kept yes

# Upgraded with a job that waits: it goes on, and the version before is kept for the way back.
steps() { grep -o '"step":' /srv/nst_batch/outbox/running/long/loss.json | wc -l; }
reached=$(steps)
before=$(readlink /opt/nst_batch/current)
echo '# of the administrator' >>/etc/nst_batch/config.yaml
install_service >"$share/upgrade.log" 2>&1
report upgraded $?
[[ $(readlink /opt/nst_batch/current) != "$before" && -d /opt/nst_batch/$before ]] && report way_back yes
grep -q '# of the administrator' /etc/nst_batch/config.yaml && report config_kept yes
further() { [[ $(steps) -gt $reached ]]; }
wait_for 60 further && report goes_on yes
systemctl stop nst-batch

# A config that cannot be.
echo 'inbocks: x' >>/etc/nst_batch/config.yaml
systemctl reset-failed nst-batch
systemctl start nst-batch 2>/dev/null
sleep 3
report bad_config_status "$(state ExecMainStatus)"
report bad_config_restarts "$(state NRestarts)"
report bad_config_state "$(state ActiveState)"

# Taken away: the pictures, the queue and the config stay.
make -s -C "$project" uninstall-service >"$share/uninstall.log" 2>&1
report uninstalled $?
[[ -e /opt/nst_batch || -e /usr/local/bin/nst-batch || -e /etc/systemd/system/nst-batch.service ]] || report gone yes
compgen -G '/srv/nst_batch/inbox/.nst_batch/claims/*/sidecar/long.yaml' >/dev/null && report spool_left yes
