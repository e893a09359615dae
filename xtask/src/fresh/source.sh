# SPDX-License-Identifier: MIT OR Apache-2.0
# In a fresh Debian with Rust: this repository is built, tested, installed and removed. $line is one of the README.
cd /root/gst-rtc
apt-get update
apt-get install --no-install-recommends --yes gcc git libc6-dev

# The README's two commands. The first becomes the server; whatever it needs it installs itself.
cargo xtask run -- --listen 127.0.0.1:0 > run.log 2>&1 &
until grep 'is ready' run.log; do
    kill -0 $! || { cat run.log; exit 1; }
    sleep 1
done
kill -INT $!
wait $!
cargo xtask test

# Meson puts everything where it works with no variable set.
apt-get install --no-install-recommends --yes meson
meson setup build
CARGO_TARGET_DIR=target meson install -C build
gst-inspect-1.0 rtcsfu > /dev/null
gst-rtc --version
timeout --foreground --preserve-status --signal=INT 8 $line
test "$(stat --format=%s loop.mkv)" -gt 50000

# Nothing stays.
ninja -C build uninstall
rm -rf /root/.cache
if gst-inspect-1.0 --exists rtcsfu; then exit 1; fi
left=$(find / -xdev -path /root -prune -o -path /proc -prune -o -path /tmp -prune -o \
    \( -name '*gst-rtc*' -o -name 'libgstrtc*' \) -print)
test -z "$left"
