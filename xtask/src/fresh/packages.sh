# SPDX-License-Identifier: MIT OR Apache-2.0
# In a fresh Debian: the packages of /tmp are installed, tried out and removed. $line is one of the README.
cd /root
apt-get update
apt-get install --no-install-recommends --yes /tmp/*.deb gstreamer1.0-nice gstreamer1.0-tools systemd

# Every element is there, with no variable set.
for element in rtcmcu rtcsfu stunsrc turnsink turnsrc; do
    gst-inspect-1.0 "$element" > /dev/null
done

test -s /usr/share/man/man1/gst-rtc.1.gz

# A pipeline works, and what it wrote is read by elements of others.
timeout --foreground --preserve-status --signal=INT 8 $line
test "$(stat --format=%s loop.mkv)" -gt 50000
gst-launch-1.0 -q filesrc location=loop.mkv ! matroskademux ! vp8dec ! fakesink

# The program serves, and runs what came with it.
timeout --foreground --preserve-status --signal=INT 20 gst-rtc dev > dev.log 2>&1 &
for _ in $(seq 40); do grep -q 'is ready' dev.log && break; sleep 0.5; done
timeout --foreground --preserve-status --signal=INT 5 gst-rtc run /usr/share/gst-rtc/pipelines/test-picture.toml | tee run.log
grep 'bars sends video' run.log
gst-rtc check /usr/share/gst-rtc/pipelines/sfu-record.toml
wait

# The service is one that systemd takes, and that can do little harm: the threshold is ten times what it prints.
unit=$(dpkg -L gst-rtc | grep 'system/gst-rtc.service$')
systemd-analyze verify "$unit"
systemd-analyze security --offline=true --threshold=20 "$unit" | tail -1
test "$(systemctl is-enabled gst-rtc.service)" = disabled

# Nothing stays.
rm -rf /root/.cache loop.mkv ./*.log
dpkg --purge gst-rtc gstreamer1.0-rtc
if gst-inspect-1.0 --exists rtcsfu; then exit 1; fi
left=$(find / -xdev \( -path /proc -o -path /tmp \) -prune -o \
    \( -name '*gst-rtc*' -o -name '*gstrtc*' -o -name '*gstreamer1.0-rtc*' \) -print)
test -z "$left"
