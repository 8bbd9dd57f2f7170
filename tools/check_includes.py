#!/usr/bin/env python3
"""Refuses includes that go against the module order, and impure tokens in pure modules.

usage: check_includes.py --root DIR

The table below is the order of ARCHITECTURE.md, bottom to top. A module includes itself and what its row lists
("below" = every pure module before it). Tests (*_test.cc, *_fuzz.cc, *_bench.cc) may also include `fakes`.
Prints one line for each violation, `file:line: sentence`, and exits with 1.
"""
import argparse
import os
import re
import sys

# Bottom to top: (module, kind). A module may include any module above it in this list, with the exceptions below.
MODULES = [
    ("base", "pure"), ("crypto", "pure"), ("compress", "pure"), ("env", "pure"), ("hcl", "pure"), ("expr", "pure"),
    ("model", "pure"), ("wire", "pure"), ("jobspec", "pure"), ("policy", "pure"), ("raft", "pure"), ("state", "pure"),
    ("sched", "pure"), ("storage", "pure"), ("fakes", "test"), ("server", "pure"), ("client", "pure"), ("api", "pure"),
    ("io", "os"), ("supervisor", "os"), ("drivers", "os"), ("agent", "os"), ("cli", "os"), ("sim", "test"),
]
ORDER = {name: i for i, (name, _) in enumerate(MODULES)}
KIND = dict(MODULES)
# Narrower than the order: modules that must stay ignorant of others below them.
FORBIDDEN = {
    "raft": {"model", "wire", "jobspec", "policy", "hcl", "expr", "env"},
    "hcl": {"env"},
    "crypto": {"env"},
    "compress": {"env", "crypto"},
    "env": {"crypto", "compress"},
    "cli": {"server", "client", "sched", "state", "raft", "storage"},
    "sim": {"io", "drivers", "supervisor", "agent", "cli"},
}
TOKENS = [
    (r"::now\(", "take the time as an argument"),
    (r"std::random_device|std::mt19937|\bs?rand\(", "use base::Rng, handed in"),
    (r"std::(uniform|normal|bernoulli|exponential|poisson)\w*_distribution|std::shuffle\b", "use base::Rng: library results vary"),
    (r"std::(jthread|thread|mutex|shared_mutex|recursive_mutex|condition_variable|async|future|promise)\b", "exchange values instead"),
    (r"#include\s*<(thread|mutex|shared_mutex|condition_variable|future|fstream|unistd\.h|sys/[^>]+|fcntl\.h|netinet/[^>]+|arpa/[^>]+)>",
     "go through env"),
    (r"std::atomic\b", "only base/snapshot_count.h may hold an atomic"),
    (r"\bgetenv\(", "go through env"),
    (r"\b(throw|catch)\b\s*[\(;A-Za-z\"]", "return Result; only third-party adapters may catch"),
]
EVERYWHERE = [(r"\bFIXME\b", "mend it"), (r"std::endl", "write '\\n'"), (r"(?<![\w_])assert\(", "use NL_ASSERT")]
# Adapters that wrap one third-party library in a pure module, and the one holder of an atomic.
EXEMPT = re.compile(r"(_adapter\.(cc|h)|base/snapshot_count\.(h|cc))$")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"/]+)/([^"]+)"')
TEST = re.compile(r"_(test|fuzz|bench)\.cc$|/testing/")


def strip_comments(line):
    return re.sub(r'"(\\.|[^"\\])*"', '""', re.sub(r"//.*", "", line))


def check(root):
    src = os.path.join(root, "src")
    problems = []
    for folder, _, files in sorted(os.walk(src)):
        relative = os.path.relpath(folder, src)
        module = relative.split(os.sep)[0]
        for name in sorted(files):
            if not name.endswith((".cc", ".h")):
                continue
            path = os.path.join(folder, name)
            shown = os.path.relpath(path, root)
            if module not in ORDER:
                problems.append(f"{shown}:1: folder src/{module} is not a module of the table in tools/check_includes.py")
                break
            is_test = bool(TEST.search(path))
            with open(path, encoding="utf-8") as f:
                for number, line in enumerate(f, 1):
                    match = INCLUDE.match(line)
                    if match:
                        target = match.group(1)
                        if target in ORDER and target != module:
                            problems += include_problems(shown, number, module, target, match.group(2), is_test)
                    code = strip_comments(line)
                    for token, advice in EVERYWHERE:
                        if re.search(token, code):
                            problems.append(f"{shown}:{number}: '{re.search(token, code).group(0)}' is not used here: {advice}")
                    if KIND[module] == "pure" and not is_test and not EXEMPT.search(path):
                        for token, advice in TOKENS:
                            found = re.search(token, code)
                            if found:
                                problems.append(
                                    f"{shown}:{number}: '{found.group(0)}' may not stand in pure module {module}: {advice}")
    return problems


def include_problems(shown, number, module, target, rest, is_test):
    if rest.startswith("internal/"):
        return [f"{shown}:{number}: {target}/{rest} is internal to module {target}"]
    if is_test and KIND[target] == "test" and target == "fakes":
        return []
    if KIND[target] == "test" and KIND[module] != "test":
        return [f"{shown}:{number}: module {module} may not include {target}, which is for tests only"]
    if ORDER[target] > ORDER[module]:
        return [f"{shown}:{number}: module {module} may not include {target}, which lies above it in the order"]
    if KIND[module] == "pure" and KIND[target] == "os":
        return [f"{shown}:{number}: pure module {module} may not include {target}, which talks to the system"]
    if target in FORBIDDEN.get(module, set()) and not is_test:
        return [f"{shown}:{number}: module {module} must not know {target}"]
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True)
    problems = check(parser.parse_args().root)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
