#!/usr/bin/env python3
"""A wrong-way include must fail the build: copies a small tree, plants violations, and runs the rule and CMake on it."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


class IncludeOrder(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tree)
        for name in ("CMakeLists.txt", "cmake", "tools"):
            source = os.path.join(ROOT, name)
            target = os.path.join(self.tree, name)
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, target)
        shutil.copytree(os.path.join(ROOT, "src", "base"), os.path.join(self.tree, "src", "base"))
        shutil.copy(os.path.join(ROOT, "src", "CMakeLists.txt"), os.path.join(self.tree, "src", "CMakeLists.txt"))
        write(os.path.join(self.tree, "src/raft/core.h"), '#pragma once\n#include "base/error.h"\n')
        write(os.path.join(self.tree, "src/state/store.h"), '#pragma once\n#include "base/error.h"\n')
        write(os.path.join(self.tree, "src/io/clock.h"), "#pragma once\n")

    def scan(self):
        done = subprocess.run(
            [sys.executable, os.path.join(self.tree, "tools/check_includes.py"), "--root", self.tree],
            capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    def test_a_right_tree_passes(self):
        self.assertEqual(self.scan(), (0, ""))

    def test_an_include_against_the_order_is_refused_and_named(self):
        write(os.path.join(self.tree, "src/raft/bad.cc"), '#include "raft/core.h"\n#include "state/store.h"\n')
        status, out = self.scan()
        self.assertEqual(status, 1)
        self.assertIn("src/raft/bad.cc:2: module raft may not include state", out)

    def test_a_pure_module_may_not_include_the_system_side(self):
        write(os.path.join(self.tree, "src/state/bad.cc"), '#include "io/clock.h"\n')
        status, out = self.scan()
        self.assertEqual(status, 1)
        self.assertIn("src/state/bad.cc:1", out)

    def test_chance_and_clocks_are_refused_in_pure_modules(self):
        write(os.path.join(self.tree, "src/state/bad.cc"),
              "auto t = std::chrono::steady_clock::now();\nstd::mt19937 generator;\n#include <thread>\n")
        status, out = self.scan()
        self.assertEqual(status, 1)
        for line in (1, 2, 3):
            self.assertIn(f"src/state/bad.cc:{line}:", out)

    def test_a_comment_is_no_violation(self):
        write(os.path.join(self.tree, "src/state/good.cc"), "// std::mutex is not used here.\n")
        self.assertEqual(self.scan(), (0, ""))

    def test_cmake_refuses_to_configure(self):
        write(os.path.join(self.tree, "src/base/bad.cc"), '#include "state/store.h"\n')
        build = os.path.join(self.tree, "build")
        done = subprocess.run(
            ["cmake", "-S", self.tree, "-B", build, "-G", "Ninja", "-DNL_PURE_ONLY=ON"],
            capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("src/base/bad.cc:1: module base may not include state", done.stderr)


if __name__ == "__main__":
    unittest.main()
