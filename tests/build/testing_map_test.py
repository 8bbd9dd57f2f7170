"""docs/testing.md maps every known fault to a check: all rows are there, and what they name exists."""
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ROWS = 58


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def names_of_files(folder, pattern):
    out = set()
    for _, _, files in os.walk(os.path.join(ROOT, folder)):
        out.update(m.group(1) for m in (re.fullmatch(pattern, name) for name in files) if m)
    return out


def main():
    planted = set(re.findall(r"X\((\w+),", read("src", "raft", "planted.h")))
    scenarios = names_of_files("src/raft/testdata", r"(\w+\.txt)")
    units = names_of_files("src", r"(\w+_test)\.cc")
    whole = names_of_files("tests/e2e", r"(test_\w+)\.py")
    faults = read("tests", "e2e", "test_faults.py")
    wrong = []
    seen = []
    for line in read("docs", "testing.md").splitlines():
        row = re.match(r"\| (\d+) \| (.*?) \| (.*) \|$", line)
        if not row:
            continue
        number, covered = int(row.group(1)), row.group(3)
        seen.append(number)
        if not re.search(r"\b[SUTEP]\b|\bADR\b|not covered|tools/|wall clock|checksum|versioned|channels apart", covered):
            wrong.append(f"row {number} names nothing: {covered}")
        for name in re.findall(r"\b\w+\.txt\b", covered):
            if name not in scenarios:
                wrong.append(f"row {number}: there is no scenario {name}")
        for name in re.findall(r"\b[a-z0-9_]+_test\b", covered):
            if name not in units:
                wrong.append(f"row {number}: there is no {name}.cc")
        for name in re.findall(r"\btest_[a-z0-9_]+\b", covered):
            if name not in whole:
                wrong.append(f"row {number}: there is no tests/e2e/{name}.py")
        for names in re.findall(r"\bP ((?:[a-z0-9_]+(?:, )?)+)", covered):
            for name in names.strip(", ").split(", "):
                if name not in planted:
                    wrong.append(f"row {number}: there is no planted bug {name}")
        for quoted in re.findall(r'"([a-z ]+)"', covered) if "test_faults" in covered else []:
            if quoted not in faults and quoted.replace(" ", "_") not in faults:
                wrong.append(f"row {number}: test_faults.py knows no {quoted}")
    if seen != list(range(1, ROWS + 1)):
        wrong.append(f"rows are {seen}, not 1 to {ROWS}")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
