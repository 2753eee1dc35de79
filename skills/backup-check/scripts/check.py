"""Checks the backup archives of a folder: age, size, and whether they can be read to the end."""
import argparse
import json
import os
import sys
import tarfile
import time
import zipfile

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
DAY = 86_400


def readable(path):
    """What is wrong with an archive, or None."""
    try:
        if path.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
                return f"{broken} in it is damaged" if broken else (None if archive.namelist() else "it is empty")
        entries = 0
        with tarfile.open(path) as archive:
            for member in archive:
                entries += 1
                if member.isfile():
                    content = archive.extractfile(member)
                    while content.read(1 << 20):
                        pass
        return None if entries else "it is empty"
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, ValueError) as error:
        return f"it can not be read: {error or type(error).__name__}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--max-age-days", type=float, default=7)
    parser.add_argument("--shrink-percent", type=float, default=50, help="warn when one is so much smaller than the one before")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not os.path.isdir(options.folder):
        sys.exit(f"{options.folder} is no folder, or can not be read.")
    names = [name for name in os.listdir(options.folder) if name.endswith(SUFFIXES)]
    if not names:
        sys.exit(f"There are no archives in {options.folder}.")
    paths = sorted((os.path.join(options.folder, name) for name in names), key=os.path.getmtime)
    report, before = [], None
    for path in paths:
        size, age = os.path.getsize(path), (time.time() - os.path.getmtime(path)) / DAY
        problems = [problem for problem in [readable(path)] if problem]
        if before and size < before * (1 - options.shrink_percent / 100):
            problems.append(f"it has {size} bytes, the one before {before}")
        report.append({"file": os.path.basename(path), "bytes": size, "age_days": round(age, 2), "problems": problems})
        before = size
    newest = report[-1]
    if newest["age_days"] > options.max_age_days:
        newest["problems"].append(f"it is the newest, and older than {options.max_age_days:g} days")
    bad = [entry for entry in report if entry["problems"]]
    if options.json:
        print(json.dumps(report))
    else:
        for entry in report:
            state = "; ".join(entry["problems"]) or "fine"
            print(f"{entry['file']}: {entry['bytes']} bytes, {entry['age_days']:g} days old, {state}")
        print(f"{len(report)} archives, {len(bad)} with problems")
    sys.exit(1 if bad else 0)


main()
