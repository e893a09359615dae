# SPDX-License-Identifier: MIT OR Apache-2.0
# In a fresh Debian with Rust: this repository is built, tested, installed and removed in each of the ways that
# docs/guide/installing.md tells: $install_user and so on. $line is one of the README, $fast is --fast or nothing.
cd /root/gst-rtc
apt-get update
apt-get install --no-install-recommends --yes gcc git libc6-dev

# What is installed works with no variable set.
works() {
    gst-inspect-1.0 rtcsfu > /dev/null
    PATH=$PATH:/root/.local/bin gst-rtc --version
    timeout --foreground --preserve-status --signal=INT 8 $line
    test "$(stat --format=%s loop.mkv)" -gt 50000
    rm loop.mkv
}

# Nothing stays, but in the repository, and what GStreamer and Cargo note.
is_gone() {
    rm -rf /root/.cache
    if gst-inspect-1.0 --exists rtcsfu; then exit 1; fi
    left=$(find / -xdev \( -path /root/gst-rtc -o -path /root/.cargo -o -path /proc -o -path /tmp \) -prune -o \
        \( -name '*gst-rtc*' -o -name 'libgstrtc*' -o -name '*gstreamer1.0-rtc*' \) -print)
    test -z "$left"
}

# The README's two commands. The first becomes the server; whatever it needs it installs itself.
cargo xtask run -- --listen 127.0.0.1:0 > run.log 2>&1 &
until grep 'is ready' run.log; do
    kill -0 $! || { cat run.log; exit 1; }
    sleep 1
done
kill -INT $!
wait $!
(export GST_PLUGIN_PATH=$PWD/target/release; gst-inspect-1.0 rtcsfu > /dev/null)
rm -rf /root/.cache
cargo xtask test $fast
[ -n "$fast" ] || cargo xtask bench

# For this user alone.
eval "$install_user"
works
cargo xtask uninstall --user
is_gone

# Meson puts everything where GStreamer looks. Nothing is built twice.
apt-get install --no-install-recommends --yes meson
(export CARGO_TARGET_DIR=target; eval "$install_meson")
works
test -s /usr/local/share/man/man1/gst-rtc-serve.1
ninja -C build uninstall
is_gone

# Packages of this system's own.
apt-get install --no-install-recommends --yes sudo
eval "$install_deb"
works
test -s /usr/share/man/man1/gst-rtc.1.gz
apt-get purge --yes gst-rtc gstreamer1.0-rtc
is_gone
