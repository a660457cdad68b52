#!/usr/bin/python3
"""Runs the parts of `make test` side by side and sums up their results.

Standard input has one part a line: kind, name, seconds it may take, and a shell command, separated by "|". A part has
failed if its status is not 0 or its time ran out. How many tests a part stands for is read from what it prints: cmocka's
"[  PASSED  ] 3 test(s)", or "3 passed, 1 failed, 1 skipped" as pytest says it; a part that prints neither is one test.
Logs go to DIRECTORY/KIND-NAME.log; those of failed parts are shown, and so is every line of a log that names a skip.
Before the sum, all lines that name a failure stand together, at most REASONS of a part. The last line is the sum: "N passed, N failed[, N skipped]". The status is 1 if anything failed or nothing passed.

    run.py [--jobs N] [--kinds "KIND ..."] DIRECTORY <parts
"""

import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import threading
import time

SHOWN_LINES = 60  # of a failed part's log
REASONS = 20
CMOCKA = {"passed": re.compile(r"^\[  PASSED  \] (\d+) test", re.M), "failed": re.compile(r"^\[  FAILED  \] (\d+) test", re.M)}
SUMMARY = re.compile(r"^[= ]*(?:\d+ (?:passed|failed|skipped|errors?|warnings?|deselected)(?:, )?)+.*$", re.M)
NUMBER = re.compile(r"(\d+) (passed|failed|skipped|error)")
REASON = re.compile(r"^(?:FAIL |FAILED |ERROR |\[  FAILED  \] \w+$).*$", re.M)  # of the test guests, pytest and cmocka
SKIP = re.compile(r"^(?:SKIPPED|skipped:).*$", re.M)

TIMED_KINDS = {"boot"}

running = set()
lock = threading.Lock()


class Part:
    def __init__(self, line):
        self.kind, self.name, limit, self.command = line.rstrip("\n").split("|", 3)
        self.limit = float(limit)
        self.reset()

    def reset(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.note = ""

    def run(self, directory):
        self.log = os.path.join(directory, f"{self.kind}-{self.name}.log".replace("/", "_"))
        begin = time.monotonic()
        with open(self.log, "w") as log:
            process = subprocess.Popen(["bash", "-c", self.command], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True)
            with lock:
                running.add(process)
            try:
                status = process.wait(self.limit)
            except subprocess.TimeoutExpired:
                self.note = f", not finished after {self.limit:.0f} s"
                end_group(process)
                status = -1
            with lock:
                running.discard(process)
        self.seconds = time.monotonic() - begin
        with open(self.log, errors="replace") as log:
            self.text = log.read()
        self.count(status)
        return self

    def count(self, status):
        for word, pattern in CMOCKA.items():
            self.counts[word] += sum(int(n) for n in pattern.findall(self.text))
        if not any(self.counts.values()):
            summaries = SUMMARY.findall(self.text)
            for number, word in NUMBER.findall(summaries[-1]) if summaries else []:
                self.counts["failed" if word == "error" else word] += int(number)
        if status == 0 and not any(self.counts.values()):
            self.counts["passed"] = 1
        if status != 0 and self.counts["failed"] == 0:
            self.counts["failed"] = 1
        self.good = status == 0 and self.counts["failed"] == 0


def end_group(process):
    """The part and what it started: every part is a process group of its own."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(5)
    except ProcessLookupError:
        pass
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def in_words(counts):
    words = f"{counts['passed']} passed, {counts['failed']} failed"
    return words + (f", {counts['skipped']} skipped" if counts["skipped"] else "")


def show(part):
    print(f"{'ok    ' if part.good else 'FAILED'} {part.kind} {part.name}: {in_words(part.counts)}, {part.seconds:.1f} s{part.note}")
    for line in SKIP.findall(part.text):
        print(f"       {line}")
    if not part.good:
        lines = part.text.splitlines()
        print(f"------ the end of {part.log}:")
        print("\n".join(lines[-SHOWN_LINES:]))
        print("------", flush=True)


def show_reasons(part):
    reasons = REASON.findall(part.text) or [f"its log is {part.log}"]
    for line in reasons[:REASONS]:
        print(f"FAILED {part.kind} {part.name}: {line}")


def interrupted(_signal, _frame):
    with lock:
        for process in running:
            end_group(process)
    print("interrupted")
    os._exit(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kinds", type=str.split, help="run parts of these kinds only")
    parser.add_argument("directory")
    arguments = parser.parse_args()
    parts = [Part(line) for line in sys.stdin if line.strip()]
    if arguments.kinds:
        parts = [part for part in parts if part.kind in arguments.kinds]
    os.makedirs(arguments.directory, exist_ok=True)
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)

    total = {"passed": 0, "failed": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(part.run, arguments.directory) for part in parts]):
            part = done.result()
            show(part)
            sys.stdout.flush()
    # Emulated machines keep the host's time: what ran beside too much else has another try, alone. Both are shown.
    for part in parts:
        if part.kind in TIMED_KINDS and not part.good:
            part.reset()
            show(part.run(arguments.directory))
    for part in parts:
        if not part.good:
            show_reasons(part)
        for word in total:
            total[word] += part.counts[word]
    with open(os.path.join(arguments.directory, "summary"), "w") as summary:
        print(in_words(total), file=summary)
    print(in_words(total))
    return 0 if total["failed"] == 0 and total["passed"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
