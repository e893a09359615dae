# SPDX-License-Identifier: MIT OR Apache-2.0
"""Lets Cargo build what meson installs.

Plugins with a pkg-config file or a static library come from cargo-c, the rest from Cargo itself; the program writes its
manual pages. Where CARGO_TARGET_DIR is set, it is used, so that what was built there before is not built again.
"""

import argparse
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ["-p", "gst-rtc-signaller"]


def main():
    given = arguments()
    # Cargo runs at the root, this where meson builds: what is relative is meant from the root.
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", given.target_dir)
    suffixes = {output.suffix for output in given.outputs}
    common = ["--profile", given.profile, "--target-dir", target]
    built = target / ("debug" if given.profile == "dev" else given.profile)
    if suffixes & {".pc", ".a"}:
        # cargo-c builds below the name of the machine; so the program shares what it depends on.
        triple = host()
        common += ["--target", triple]
        built = target / triple / built.name
        kinds = {".so": "cdylib", ".a": "staticlib"}
        kinds = [word for suffix in kinds.keys() & suffixes for word in ("--library-type", kinds[suffix])]
        places = ["--prefix", given.prefix, "--libdir", given.libdir]
        cargo("cbuild", *common, *packages(given.outputs), *kinds, *places)
        cargo("build", *common, *PROGRAM)
    else:
        cargo("build", *common, *PROGRAM, *packages(given.outputs))
    for output in given.outputs:
        if output.suffix != ".1":
            shutil.copy2(built / output.name, output)
    subprocess.run([built / "gst-rtc", "man", given.outputs[0].parent], check=True)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target-dir", type=pathlib.Path, required=True)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--libdir", required=True)
    parser.add_argument("outputs", nargs="+", type=pathlib.Path)
    return parser.parse_args()


def packages(outputs):
    """libgstNAME.so and .a are built from the package gst-plugin-NAME."""
    names = {output.stem.removeprefix("libgst") for output in outputs if output.suffix in (".so", ".a")}
    return [word for name in sorted(names) for word in ("-p", f"gst-plugin-{name}")]


def host():
    """The target triple of this machine."""
    lines = subprocess.check_output(["rustc", "-vV"], text=True).splitlines()
    return next(line.removeprefix("host: ") for line in lines if line.startswith("host: "))


def cargo(verb, *words):
    subprocess.run(["cargo", verb, *map(str, words)], check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
