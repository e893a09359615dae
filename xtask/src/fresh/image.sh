# SPDX-License-Identifier: MIT OR Apache-2.0
# What docs/guide/installing.md says of the container, $install_image, with buildah for docker. The images to begin with are
# made here: $system is a fresh Debian 12, $rust the toolchain of this machine, $registry what its Cargo has fetched, $built what
# was built before. Having the names of official ones, they go into a store of their own: $store.
store=(--root "$store/root" --runroot "$store/run")
trap 'buildah "${store[@]}" rm --all > /dev/null' EXIT

container=$(buildah "${store[@]}" from scratch)
buildah "${store[@]}" copy --quiet "$container" "$system" /
buildah "${store[@]}" config --cmd bash "$container"
buildah "${store[@]}" commit --quiet "$container" docker.io/library/debian:bookworm-slim
# Rust is mounted below; what the official image has besides, the Dockerfile does not ask for.
buildah "${store[@]}" config --env PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    "$container"
buildah "${store[@]}" commit --quiet "$container" docker.io/library/rust:1-bookworm

# As the page calls it; nothing is fetched but Debian's packages, and the server takes a port that is free.
docker() {
    local verb=$1 container command
    shift
    case $verb in
    build)
        buildah "${store[@]}" build --isolation chroot --pull-never --volume "$rust:/opt/rust" \
            --volume "$registry:/root/.cargo/registry" --volume "$built:/src/target/release" "$@"
        ;;
    run)
        container=$(buildah "${store[@]}" from --pull-never "${*: -1}")
        command=$(buildah "${store[@]}" inspect --format '{{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.Cmd}}' "$container")
        buildah "${store[@]}" run --isolation chroot "$container" gst-inspect-1.0 rtcsfu > /dev/null
        buildah "${store[@]}" run --isolation chroot --env GST_RTC_LISTEN=127.0.0.1:0 "$container" ${command//[][]/}
        ;;
    esac
}

# In a group of its own, so that Ctrl-C reaches all of it.
set -m
eval "$install_image" > "$log" 2>&1 &
set +m
until grep 'is ready' "$log"; do
    kill -0 $! || { cat "$log"; exit 1; }
    sleep 1
done
address=$(grep --only-matching --max-count=1 'http://127.0.0.1:[0-9]*' "$log")
curl --fail --silent --show-error "$address/healthz"
curl --fail --silent --show-error "$address/" | grep --quiet '<html'
kill -INT -- -$!
# What buildah says of a program that was told to end is its own affair; that it has ended is not.
wait $! || true
if curl --silent "$address/healthz"; then exit 1; fi
